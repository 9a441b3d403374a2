package installer_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/installer"
)

// Whatever a host asks the database when it begins, takes over and swaps: a session that is terminated meanwhile, at
// whatever statement, is an error that may pass, so that it is asked again and the host does not end.
func TestASessionThatIsTerminatedIsNoReasonToEnd(t *testing.T) {
	b := newBase(t)
	digest := strings.Repeat("a", 64)
	in, _ := b.take(2)
	module := installer.Module{Guest: "g", Digest: digest, Bytes: []byte("m")}
	if err := in.StoreModule(t.Context(), module); err != nil {
		t.Fatal(err)
	}
	asked := map[string]func(context.Context) error{
		"Read":     func(ctx context.Context) error { _, err := in.Read(ctx); return err },
		"Init":     in.Init,
		"Take":     func(context.Context) error { _, err := take(in, "cluster", "topic"); return err },
		"Standbys": func(ctx context.Context) error { _, _, err := in.Standbys(ctx); return err },
		"Look":     func(ctx context.Context) error { return in.Look(ctx, []*installer.Template{add}) },
		"CheckTemplates": func(ctx context.Context) error {
			_, err := in.CheckTemplates(ctx, []installer.Template{{ID: 1, SQL: "insert into account values ($1::int, $2::numeric)", Params: []string{"integer", "numeric"}}})
			return err
		},
		"GuestEvents": func(ctx context.Context) error { _, err := in.GuestEvents(ctx, "g", 10); return err },
		"AddGuestEvents": func(ctx context.Context) error {
			return in.AddGuestEvents(ctx, installer.GuestEvent{Guest: "g", Digest: digest, State: installer.GuestReceived, Who: installer.WhoFile})
		},
		"Gone":         func(ctx context.Context) error { _, err := in.Gone(ctx, "g"); return err },
		"Wanted":       func(ctx context.Context) error { _, _, err := in.Wanted(ctx, "g"); return err },
		"ProvenBefore": func(ctx context.Context) error { _, err := in.ProvenBefore(ctx, "g"); return err },
		"StoreModule":  func(ctx context.Context) error { return in.StoreModule(ctx, module) },
		"LoadModule":   func(ctx context.Context) error { _, err := in.LoadModule(ctx, "g", digest); return err },
		"Prune":        func(ctx context.Context) error { _, err := in.Prune(ctx, "g", 3, 10, []string{digest}); return err },
		"History":      func(ctx context.Context) error { _, err := in.History(ctx); return err },
		"Routes":       func(ctx context.Context) error { _, err := in.Routes(ctx); return err },
		"Passed":       func(ctx context.Context) error { _, err := in.Passed(ctx, "c"); return err },
		"KeepPassed":   func(ctx context.Context) error { return in.KeepPassed(ctx, "c", "g", digest) },
		"Requests":     func(ctx context.Context) error { _, err := in.Requests(ctx, []int64{1}); return err },
		"InForce":      func(ctx context.Context) error { _, err := in.InForce(ctx); return err },
		"List":         func(ctx context.Context) error { _, err := in.List(ctx, installer.Filter{}); return err },
		"CountHeld":    func(ctx context.Context) error { _, _, err := in.CountHeld(ctx); return err },
		"Mended":       func(ctx context.Context) error { _, _, err := in.Mended(ctx, digest, time.Now(), 1); return err },
		"LatestAudit":  func(ctx context.Context) error { _, err := in.LatestAudit(ctx, 1); return err },
		"Lane": func(ctx context.Context) error {
			l := in.Lane(0)
			defer l.Close()
			_, err := l.Connect(ctx, nil)
			return err
		},
		"OpenReader": func(ctx context.Context) error {
			r, err := in.OpenReader(ctx)
			if err == nil {
				r.Close()
			}
			return err
		},
	}
	ended := terminating(t, b.dsn)
	for name, ask := range asked {
		lost := 0
		for until := time.Now().Add(30 * time.Second); lost < 50 && time.Now().Before(until); {
			err := ask(t.Context())
			if err != nil && !installer.IsTransient(err) {
				t.Errorf("%s ends with %v", name, err)
				break
			}
			if err != nil {
				lost++
			}
		}
		if lost == 0 {
			t.Errorf("%s was never terminated", name)
		}
	}
	ended()

	// Who asks patiently is answered when it is over.
	ended = terminating(t, b.dsn)
	over := time.AfterFunc(time.Second, ended)
	defer over.Stop()
	for until := time.Now().Add(2 * time.Second); time.Now().Before(until); {
		if err := installer.Patiently(t.Context(), func() error { _, err := in.Passed(t.Context(), "c"); return err }); err != nil {
			t.Fatal(err)
		}
	}
}

// terminating ends every session of the database but its own and the test's, again and again, up to the call of what it returns.
func terminating(t *testing.T, dsn string) (end func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(rand.N(6 * time.Millisecond)):
				_, _ = conn.Exec(context.Background(), "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'ichor %'")
			}
		}
	}()
	return func() {
		close(stop)
		<-done
		_ = conn.Close(context.Background())
	}
}

// What is asked patiently is asked again while the database does not answer, and not when it says no.
func TestPatiently(t *testing.T) {
	away, err := installer.New(installer.Options{URL: "postgres://nobody@127.0.0.1:1/none", Owner: "test", Lanes: 1}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	err = installer.Patiently(t.Context(), func() error {
		if tries++; tries < 3 {
			return away.AddGuestEvents(t.Context(), installer.GuestEvent{Guest: "banking"})
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("tried %d times: %v", tries, err)
	}
	no := errors.New("no")
	tries = 0
	if err := installer.Patiently(t.Context(), func() error { tries++; return no }); !errors.Is(err, no) || tries != 1 {
		t.Errorf("tried %d times: %v", tries, err)
	}
}
