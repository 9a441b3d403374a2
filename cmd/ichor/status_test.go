package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/ichor-replicator/ichor/host/hosttest"
)

const statusToken = "0123456789abcdef0123456789abcdef"

// A container listens on every address and has tokens: the health check inside must reach it all the same,
// or the container counts as dead for ever. Neither broker nor database is there.
func TestTheHealthCheckReachesAHostThatListensEverywhere(t *testing.T) {
	directory := t.TempDir()
	put := func(name, text string) string {
		t.Helper()
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	put("banking.wasm", string(smallGuest(t, 0)))
	tokens := put("tokens", "me viewer "+statusToken+"\n")
	for _, every := range []string{"0.0.0.0", "[::]", ""} {
		t.Run(every, func(t *testing.T) {
			free, err := hosttest.FreeAddress()
			if err != nil {
				t.Fatal(err)
			}
			_, port, _ := net.SplitHostPort(free)
			settings := put("ichor.yaml", fmt.Sprintf(`
source: {brokers: ["127.0.0.1:1"], topic: cohort}
database: {url: "postgres://ichor@127.0.0.1:1/cohort"}
guests: {directory: %q, routes: [{cohort: "*", guest: banking}], cache_directory: %q}
http: {listen: "%s:%s", tokens: %q}
`, directory, filepath.Join(directory, "modules"), every, port, tokens))
			d := &deployment{t: t}
			d.begin("run", "-c", settings)
			out := ""
			hosttest.Until(t, func() bool {
				code, said := d.ichor("status", "--alive", "-c", settings)
				out = said
				return code == exitOK
			}, func() string { return "the health check says: " + out })
			t.Setenv(tokenVariable, statusToken)
			if code, said := d.ichor("status", "-c", settings); code != exitNotReady {
				t.Errorf("status ends with %d: %s", code, said)
			}
		})
	}
}

func TestAHostIsAskedWhereItListens(t *testing.T) {
	for listen, want := range map[string]string{
		"0.0.0.0:9464": "127.0.0.1:9464", ":9464": "127.0.0.1:9464", "[::]:9464": "127.0.0.1:9464",
		"127.0.0.1:9464": "127.0.0.1:9464", "[::1]:9464": "[::1]:9464", "10.0.0.7:1": "10.0.0.7:1", "ichor-1:9464": "ichor-1:9464", "": "",
	} {
		if got := here(listen); got != want {
			t.Errorf("a host that listens at %q is asked at %q, want %q", listen, got, want)
		}
	}
}
