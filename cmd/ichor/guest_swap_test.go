package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/guest"
)

// TestSwapSaysWhatTheHostDoes asks a host that does not come to an end: with its judgement, with
// taking what it accepted, or, within the time, with an answer at all.
func TestSwapSaysWhatTheHostDoes(t *testing.T) {
	module := []byte("a module that nobody reads")
	digest := guest.DigestOf(module).String()
	accepts := `{"guests":[{"guest":"banking","digest":"` + strings.Repeat("0", 64) + `","from":7,"judged":[{"digest":"` + digest + `","accepted":true}]}]}`
	for _, c := range []struct {
		name, status string
		asked        int // how often it answers, before it does not
		says         []string
		changed      bool
	}{
		{"judges", `{"guests":[{"guest":"banking","digest":"` + strings.Repeat("0", 64) + `","from":7}]}`, 1 << 30,
			[]string{"nothing was changed: after 600ms the host is still judging " + digest[:12], "--timeout", "guests.directory is "}, false},
		{"takes", accepts, 1 << 30, []string{"after 600ms the host would take " + digest[:12], "with the next version that it converts"}, true},
		{"stops answering", `{"guests":[]}`, 1, []string{"nothing was changed: after 600ms the host is still judging " + digest[:12]}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked, stop := 0, make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked++; asked > c.asked {
					select {
					case <-r.Context().Done():
					case <-stop:
					}
				}
				io.WriteString(w, c.status)
			}))
			defer server.Close()
			defer close(stop)
			dir := t.TempDir()
			settings, file := filepath.Join(dir, "ichor.yaml"), filepath.Join(dir, "new.wasm")
			text := fmt.Sprintf("source: {brokers: [\"localhost:1\"], topic: t}\ndatabase: {url: \"postgres://localhost/d\"}\nguests: {directory: %q, routes: [{guest: banking}]}\n", dir)
			for path, bytes := range map[string][]byte{settings: []byte(text), file: module} {
				if err := os.WriteFile(path, bytes, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			swap := guestSwapCommand{
				withFile: withFile{settings}, File: file, Name: "banking",
				Address: strings.TrimPrefix(server.URL, "http://"), Timeout: 600 * time.Millisecond,
			}
			err := swap.Run(t.Context())
			for _, want := range c.says {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("it says %v, want %q", err, want)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "banking.wasm")); (err == nil) != c.changed {
				t.Errorf("the file is in place: %v", err == nil)
			}
		})
	}
}
