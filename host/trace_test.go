package host_test

import (
	"fmt"
	"strings"
	"testing"
)

// What a host did stands in its trace as a script: testdata/host.txt of package replicator is one of
// these, pasted.
func TestTraceOfAHost(t *testing.T) {
	var trace logBook
	b := newBank(t, 9)
	b.options.Trace = &trace
	b.options.Core.Lanes, b.options.Core.Seed = 2, 1
	r := b.start()
	last := b.traffic(6, 3)
	b.send(candidate(90, "0001", deposit("0001", 5)), candidate(91, "0002", deposit("0002", 5)), abort(last+2), commit(last+3, last))
	b.eventually(fmt.Sprintf("(%d)", last+3), "select version from cohort_snapshot")
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	text := trace.text()
	for _, line := range []string{"core cold lanes=2 ", "\ncandidate ", fmt.Sprintf("\ndecision %d aborted", last+2), "\ninstall lane ", "\nstop: drained"} {
		if !strings.Contains(text, line) {
			t.Errorf("the trace lacks %q:\n%s", line, text)
		}
	}
}
