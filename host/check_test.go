package host_test

import (
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/spans/spanstest"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

// silent returns an address that accepts connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
		}
	}()
	return l.Addr().String()
}

// TestCheckTellsTimes: each finding has its own, and what did not finish says by which limit.
func TestCheckTellsTimes(t *testing.T) {
	b := newBank(t, 1)
	b.options.HTTP.Listen = "127.0.0.1:0"
	dsn := b.options.Database.URL
	b.options.Database.URL = "postgres://u@" + silent(t) + "/d?sslmode=disable"
	const timeout = time.Second
	findings := slices.Collect(host.Check(t.Context(), b.options, timeout, 0))
	if len(findings) != 5 {
		t.Fatalf("%d findings: %+v", len(findings), findings)
	}
	for _, f := range findings {
		late := f.What == "database"
		if said := f.Err != nil && strings.Contains(f.Err.Error(), "not finished in 1 s: --timeout"); said != late {
			t.Errorf("%s after %v says %v", f.What, f.Took, f.Err)
		}
		if f.What == "database" && f.Took < timeout/2 {
			t.Errorf("the database took %v", f.Took)
		}
	}
	b.options.Database.URL = dsn
	for f := range host.Check(t.Context(), b.options, time.Minute, 0) {
		if f.What != "settings" && f.Took <= 0 {
			t.Errorf("%s took %v", f.What, f.Took)
		}
	}
}

// TestCheckLoadsAGuestWhateverTheTimeout has no time at all: what has to answer is late, and the
// guest, which only has to be compiled, is loaded all the same.
func TestCheckLoadsAGuestWhateverTheTimeout(t *testing.T) {
	b := newBank(t, 1)
	for f := range host.Check(t.Context(), b.options, 1, 0) {
		switch {
		case strings.HasPrefix(f.What, "guest"):
			if f.Err != nil || !strings.Contains(f.Note, "version") {
				t.Errorf("%s says %q, %v", f.What, f.Note, f.Err)
			}
		case f.What != "settings" && f.What != "http" && (f.Err == nil || !strings.Contains(f.Err.Error(), "--timeout")):
			t.Errorf("%s was not late: %v", f.What, f.Err)
		}
	}
}

// TestCheckSaysWhatTheDatabaseDoes holds a table that the templates name, so that their trial
// cannot be finished: the guest itself is not blamed.
func TestCheckSaysWhatTheDatabaseDoes(t *testing.T) {
	b := newBank(t, 1)
	b.exec("begin")
	b.exec("lock table bank_accounts in access exclusive mode")
	for f := range host.Check(t.Context(), b.options, time.Minute, 0) {
		if strings.HasPrefix(f.What, "guest") && (f.Err == nil || !strings.HasPrefix(f.Err.Error(), "the trial of its templates in the database: ")) {
			t.Errorf("%s says %v", f.What, f.Err)
		}
	}
}

// TestDebugTellsOfBatchesAndGroups, and of no row.
func TestDebugTellsOfBatchesAndGroups(t *testing.T) {
	b := newBank(t, 40)
	b.level = slog.LevelDebug
	b.play(talostest.Small())
	r := b.start()
	b.eventually("(t)", "select version >= 228 from cohort_snapshot")
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	log := b.log.text()
	for _, line := range []string{"msg=detail of=read from=", "msg=detail of=converted guest=banking", "msg=detail of=installed lane="} {
		if !strings.Contains(log, line) {
			t.Errorf("the log has no line %q:\n%s", line, log)
		}
	}
	for _, row := range []string{"amount", "TRANSFER", "0001"} {
		for line := range strings.SplitSeq(log, "\n") {
			if strings.Contains(line, "level=DEBUG") && strings.Contains(line, row) {
				t.Errorf("a line has something of a row: %s", line)
			}
		}
	}
}

// TestCheckAsksTheReceiverOfSpans has one that answers, one that is away and one that says nothing: none of them keeps a
// host from running.
func TestCheckAsksTheReceiverOfSpans(t *testing.T) {
	to, err := spanstest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(to.Close)
	gone, err := spanstest.Start()
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	b := newBank(t, 1)
	for endpoint, says := range map[string]string{
		to.Endpoint():         "spans go to " + to.Endpoint(),
		gone.Endpoint():       "spans go to " + gone.Endpoint() + ", which does not take them: they would be lost, and nothing else (",
		"http://" + silent(t): "which does not take them",
	} {
		b.options.Spans.Endpoint = endpoint
		found := false
		for f := range host.Check(t.Context(), b.options, time.Second, 0) {
			if f.What != "trace" {
				continue
			}
			found = true
			well := endpoint == to.Endpoint()
			if f.Err != nil || !strings.Contains(f.Note, says) || well != (f.Note == says) || f.Warn == well {
				t.Errorf("%s: %q, %v", endpoint, f.Note, f.Err)
			}
		}
		if !found {
			t.Errorf("%s: nothing is said", endpoint)
		}
	}
}

// TestCheckReadsTheTokens finds what run would not begin with.
func TestCheckReadsTheTokens(t *testing.T) {
	b := newBank(t, 1)
	b.takesChanges()
	at := func(text string) error {
		t.Helper()
		if err := os.WriteFile(b.options.HTTP.Tokens, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for f := range host.Check(t.Context(), b.options, time.Minute, 0) {
			if f.What == "settings" {
				return f.Err
			}
		}
		t.Fatal("nothing is said of the settings")
		return nil
	}
	if err := at("ann operator " + tokenOfTests + "\n"); err != nil {
		t.Error(err)
	}
	if err := at("ann operator " + tokenOfTests + "\nbob king " + tokenOfTests + "\n"); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a role that there is not: %v", err)
	}
	b.options.HTTP.Tokens += "-gone"
	for f := range host.Check(t.Context(), b.options, time.Minute, 0) {
		if f.What == "settings" && f.Err == nil {
			t.Error("a file that is not there is taken")
		}
	}
}
