package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/program"
)

// play runs the demonstration with the fake host that makes the fault, and checks that nothing
// is left behind.
func play(t *testing.T, fault string, args ...string) (code int, out, errors string) {
	t.Helper()
	t.Setenv(faultVariable, fault)
	t.Setenv("KAFKA_TOPIC", "not-for-the-host")
	temp, err := os.MkdirTemp("", "d") // short: a socket's path lies in it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temp)
	guest := module(t)
	var stdout, stderr bytes.Buffer
	code = run(append([]string{"--ichor", os.Args[0], "--guest", guest, "--accounts", "200", "--transfers", "200", "--rate", "1000", "--settle", "20s"}, args...), &stdout, &stderr)
	left, err := filepath.Glob(filepath.Join(temp, "ichor-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return code, stdout.String(), stderr.String()
}

// module returns a file that passes for a guest with the fake host.
func module(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "guest.wasm")
	if err := os.WriteFile(file, []byte("\x00asm\x01\x00\x00\x00"), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestDemonstrationWithKillsAndSwaps(t *testing.T) {
	code, out, errors := play(t, "", "--kill", "2", "--swap", "2", "--json")
	if code != program.ExitOK || errors != "" {
		t.Fatalf("exit %d: %s\n%s", code, out, errors)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var r report
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatalf("the last line is %q: %v", lines[len(lines)-1], err)
	}
	if r.Verdict != "equal" || r.Kills != 2 || r.Swaps != 2 || len(r.Conversions.Guests) != 3 || r.Conversions.Journeys == 0 ||
		!r.Check.Equal || !r.Money.Conserved || r.Committed < 200 || r.Rate <= 0 || r.P50 != 2 || r.P99 != 2 || r.SnapshotAge != 3 ||
		r.Before.P50 != 0.25 || r.Call.P99 != 0.5 || r.After.P50 != 1.25 {
		t.Errorf("got %+v", r)
	}
	if strings.Count(out, "killed the host") != 2 || strings.Count(out, "swapped the guest") != 2 {
		t.Errorf("the disturbances are not told:\n%s", out)
	}
}

func TestDemonstrationSeesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		fault, settle string
		said          []string
	}{
		{"wrong", "10s", []string{"DIFFERS in 1 of 200 rows", "records are counted as candidate, and the log has", "account 0001: ", "SHOULD BE", "the history names the guests [000000000000]", "Verdict: differs"}},
		{"stuck", "1s", []string{"the snapshot does not move", "Verdict: differs"}},
		{"exit", "20s", []string{"the host ended by itself: exit status 3"}},
		{"deaf", "1s", []string{"the host is not ready"}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			code, out, errors := play(t, c.fault, "--settle", c.settle)
			for _, said := range c.said {
				if code != program.ExitFailed || !strings.Contains(out+errors, said) {
					t.Errorf("exit %d without %q: %s\n%s", code, said, out, errors)
				}
			}
		})
	}
}

func TestDemonstrationThatIsInterruptedLeavesNothing(t *testing.T) {
	temp, err := os.MkdirTemp("", "d")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	guest := module(t)
	t.Setenv("TMPDIR", temp)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	s := newScreen(&interrupt{into: &out, at: "sending", then: cancel})
	o := options{Ichor: os.Args[0], Guest: guest, Accounts: 20, Transfers: 1_000_000, Rate: 500, Settle: 20 * time.Second}
	if _, err := demonstrate(ctx, o, s, func(*report) error { return nil }); err == nil {
		t.Errorf("it ended well:\n%s", out.String())
	}
	if left, _ := filepath.Glob(filepath.Join(temp, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestKeepGoesOnRunning asks the host while everything is kept, and ends it as Ctrl-C does.
func TestKeepGoesOnRunning(t *testing.T) {
	temp, err := os.MkdirTemp("", "d")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	guest := module(t)
	t.Setenv("TMPDIR", temp)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	asked := 0
	s := newScreen(&interrupt{into: &out, at: "  log ", then: func() { // the last line of the invitation
		page := regexp.MustCompile(`page +http://[0-9.:]+/#token=(\S+)\n`).FindStringSubmatch(out.String())
		if page == nil || !strings.Contains(out.String(), "export ICHOR_TOKEN="+page[1]+" ") {
			t.Errorf("the page's address does not carry the token:\n%s", out.String())
		}
		address := regexp.MustCompile(`http://([0-9.:]+)/readyz`).FindStringSubmatch(out.String())
		if address == nil {
			t.Errorf("no address is told:\n%s", out.String())
		} else if answer, err := http.Get("http://" + address[1] + "/readyz"); err != nil {
			t.Errorf("the host does not run: %v", err)
		} else {
			asked = answer.StatusCode
			answer.Body.Close()
		}
		cancel()
	}})
	o := options{Ichor: os.Args[0], Guest: guest, Accounts: 20, Transfers: 100, Rate: 500, Settle: 20 * time.Second, Keep: true}
	r, err := demonstrate(ctx, o, s, func(r *report) error { return tell(&out, r, false) })
	if err != nil || !r.OK() || asked != http.StatusOK {
		t.Errorf("%v, the host answered %d\n%s", err, asked, out.String())
	}
	for _, said := range []string{"Verdict: equal", "status -c ", "psql 'postgres://", "guest swap NEW.wasm", "all of this ends where somebody else writes to it", "  page      http://", "export ICHOR_TOKEN="} {
		if !strings.Contains(out.String(), said) {
			t.Errorf("it does not say %q:\n%s", said, out.String())
		}
	}
	if left, _ := filepath.Glob(filepath.Join(temp, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// interrupt is a screen on which a line ends the demonstration.
type interrupt struct {
	into *bytes.Buffer
	at   string
	then func()
}

func (i *interrupt) Write(text []byte) (int, error) {
	if bytes.Contains(text, []byte(i.at)) {
		i.then()
	}
	return i.into.Write(text)
}
