//go:build unix

package pgtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// What a client says beside its user and the database is lost on the way, and nothing says so.
func TestAProxyDropsParameters(t *testing.T) {
	d := New(t)
	if got := query(t, d.DSN, "select current_user"); got != "postgres" {
		t.Fatalf("the user is %q", got)
	}
	proxy := NewProxy(t, d)
	url := proxy.URL() + "&application_name=mine&search_path=mine&options=-c%20work_mem%3D128kB"
	const settings = "select current_user || ' ' || current_database() || ' ' || current_setting('application_name') || ' ' || current_setting('search_path') || ' ' || current_setting('work_mem')"
	for _, c := range []struct {
		drops bool
		want  string
	}{{false, "mine mine 128kB"}, {true, ` "$user", public 4MB`}, {false, "mine mine 128kB"}} {
		proxy.DropParameters(c.drops)
		if got, want := query(t, url, settings), "postgres "+d.Name+" "+c.want; got != want {
			t.Errorf("dropped: %v: %q, want %q", c.drops, got, want)
		}
	}
}

// Answers that let a client in and those of COMMIT overtake one another for as long as they are delayed.
func TestAProxyHasAnswersCross(t *testing.T) {
	proxy := NewProxy(t, New(t))
	both := func() (logins, commits int) {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				conn, err := pgx.Connect(t.Context(), proxy.URL())
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close(context.Background())
				for range 4 {
					if _, err := conn.Exec(t.Context(), "begin; commit"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		return proxy.Crossed()
	}
	if logins, commits := both(); logins != 0 || commits != 0 {
		t.Errorf("without delays %d and %d crossed", logins, commits)
	}
	proxy.Stagger(Stagger{Login: 50 * time.Millisecond, Commit: 50 * time.Millisecond, User: "another"})
	if logins, commits := both(); logins != 0 || commits != 0 {
		t.Errorf("of another user %d and %d crossed", logins, commits)
	}
	proxy.Stagger(Stagger{Login: 50 * time.Millisecond, Commit: 50 * time.Millisecond, User: "postgres", Seed: 1})
	logins, commits := 0, 0
	for begun := time.Now(); (logins == 0 || commits == 0) && time.Since(begun) < time.Minute; {
		logins, commits = both()
	}
	if logins == 0 || commits == 0 {
		t.Errorf("%d logins and %d commits overtook the other", logins, commits)
	}
	proxy.Stagger(Stagger{})
	if l, c := both(); l != logins || c != commits {
		t.Errorf("without delays any more %d and %d crossed", l-logins, c-commits)
	}
}
