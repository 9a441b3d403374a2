package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// TestSwapSaysWhatTheHostDoes asks a host that does not come to an end: with its judgement, with
// taking what it accepted, or, within the time, with an answer at all. Meanwhile somebody may interrupt the swap, or
// swap another module in.
func TestSwapSaysWhatTheHostDoes(t *testing.T) {
	dsn := pgtest.New(t).DSN
	in, err := installer.New(installer.Options{URL: dsn}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	module, another := []byte("a module that nobody reads"), []byte("another module")
	digest := guest.DigestOf(module).String()
	short := digest[:12]
	const brief, never = 600 * time.Millisecond, time.Hour
	guests := func(rest string) string {
		return `{"guests":[{"guest":"banking","digest":"` + digest + `","from":3},{"guest":"banking","digest":"` + strings.Repeat("0", 64) + `","from":7` + rest + `}]}`
	}
	accepts := guests(`,"judged":[{"digest":"` + digest + `","accepted":true}]`)
	interrupt := func(_ string, stop context.CancelFunc) { stop() }
	var away atomic.Bool // the host has given the cohort away
	standsBy := func(string, context.CancelFunc) { away.Store(true) }
	var rolledBack atomic.Bool // while it judged
	goesBack := func(string, context.CancelFunc) { rolledBack.Store(true) }
	var dead atomic.Bool
	dies := func(string, context.CancelFunc) { dead.Store(true) }
	for _, c := range []struct {
		name, status string
		timeout      time.Duration
		asked        int                                         // how often it answers, before it does not
		then         func(place string, stop context.CancelFunc) // what happens before it answers for the third time
		says         []string
		changed      bool
	}{
		{"judges", guests(""), brief, 1 << 30, nil, []string{"nothing was changed: after 600ms the host is still judging " + short, "--timeout", "guests.directory is "}, false},
		{"takes", accepts, brief, 1 << 30, nil, []string{"after 600ms the host would take " + short, "with the next version that it converts"}, true},
		{"stops answering", `{"guests":[]}`, brief, 1, nil, []string{"nothing was changed: after 600ms the host is still judging " + short}, false},
		{"is interrupted while it judges", guests(""), never, 1 << 30, interrupt, []string{"nothing was changed: interrupted: the host is still judging " + short}, false},
		{"is interrupted while it takes", accepts, never, 1 << 30, interrupt, []string{"interrupted: the host would take " + short + ", and the file is in place"}, true},
		{"another swap comes between", accepts, never, 1 << 30, func(place string, _ context.CancelFunc) { _ = os.WriteFile(place, another, 0o600) },
			[]string{"another module, " + guest.DigestOf(another).Short() + ", was put in the place of " + short + " meanwhile"}, true},
		{"has another module meanwhile", `{"guests":[{"guest":"banking","digest":"` + strings.Repeat("0", 64) + `","from":7}]}`, never, 1 << 30, goesBack,
			[]string{"nothing was changed: while " + short + " was judged, 111111111111 came in the place of 000000000000", "swap again if " + short}, false},
		{"gives the cohort away while it judges", guests(""), never, 1 << 30, standsBy, []string{"nothing was changed: this host stands by, so that nobody would judge it (another owns it)"}, false},
		{"gives the cohort away while it takes", accepts, never, 1 << 30, standsBy, []string{"the file is in place, and the host has not said that it takes it", "this host stands by"}, true},
		{"dies while it judges", guests(""), never, 1 << 30, dies, []string{"nothing was changed: the host does not answer any more: swap again when one runs: no host answers at "}, false},
		{"dies while it takes", accepts, never, 1 << 30, dies, []string{"the file is in place, and the host does not answer any more: the next one that owns the cohort takes it from there", "no host answers at "}, true},
		{"owns nothing, and nobody does", `{"phase":"no_owner","readiness":{"reason":"no_owner","detail":"bank-1 gave the cohort away"}}`, brief, 1 << 30, nil,
			[]string{"nothing was changed: nobody owns the cohort, so that nobody would judge it (bank-1 gave the cohort away)"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, interrupted := context.WithCancel(t.Context())
			defer interrupted()
			away.Store(false)
			dead.Store(false)
			rolledBack.Store(false)
			dir := t.TempDir()
			place := filepath.Join(dir, "banking.wasm")
			var asked atomic.Int32
			stop := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := int(asked.Add(1))
				if n > c.asked {
					select {
					case <-r.Context().Done():
					case <-stop:
					}
				}
				if c.then != nil && n == 3 {
					c.then(place, interrupted)
				}
				if dead.Load() {
					panic(http.ErrAbortHandler)
				}
				if away.Load() {
					io.WriteString(w, `{"phase":"standby","readiness":{"ready":true,"reason":"standby","detail":"another owns it"}}`)
					return
				}
				if rolledBack.Load() {
					io.WriteString(w, `{"guests":[{"guest":"banking","digest":"`+strings.Repeat("1", 64)+`","from":9,"judged":[{"digest":"`+digest+`","accepted":true}]}]}`)
					return
				}
				io.WriteString(w, c.status)
			}))
			defer server.Close()
			defer close(stop)
			settings, file := filepath.Join(dir, "ichor.yaml"), filepath.Join(dir, "new.wasm")
			text := fmt.Sprintf("source: {brokers: [\"localhost:1\"], topic: t}\ndatabase: {url: %q}\nguests: {directory: %q, routes: [{guest: banking}]}\n", dsn, dir)
			for path, bytes := range map[string][]byte{settings: []byte(text), file: module} {
				if err := os.WriteFile(path, bytes, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			swap := guestSwapCommand{
				withFile: withFile{settings}, File: file, Name: "banking",
				Address: strings.TrimPrefix(server.URL, "http://"), Reason: c.name, Timeout: c.timeout,
			}
			err := swap.Run(ctx)
			for _, want := range c.says {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("it says %v, want %q", err, want)
				}
			}
			if _, err := os.Stat(place); (err == nil) != c.changed {
				t.Errorf("the file is in place: %v", err == nil)
			}
			events, err := in.GuestEvents(t.Context(), "banking", 1)
			named := err == nil && len(events) == 1 && events[0].Reason == c.name
			if named != c.changed || named && (events[0].Who != operator() || events[0].Digest != digest || events[0].State != installer.GuestAsked) {
				t.Errorf("what the database has of who asked for it: %+v, %v", events, err)
			}
		})
	}
}
