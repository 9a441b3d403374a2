package verify

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

// keyed is a candidate that reads and writes keys.
func keyed(reads, writes string) string {
	list := func(text string) string {
		if text == "" {
			return "[]"
		}
		return `["` + strings.Join(strings.Split(text, " "), `","`) + `"]`
	}
	return fmt.Sprintf("keys %s %s", list(reads), list(writes))
}

// TestWhatMayGoOnPastAHeldVersion follows the conflict rule: 1 is held, 3 writes what it writes, 5 reads what 3
// writes, 7 reads what 1 reads, 9 writes what 7 reads, 11 has no keys, 13 comes after that.
func TestWhatMayGoOnPastAHeldVersion(t *testing.T) {
	from := sourceOf(
		keyed("r", "a"), "commit 1", keyed("", "a b"), "commit 3", keyed("b", "c"), "commit 5", keyed("r", "d"), "commit 7",
		keyed("", "q"), "commit 9", keyed("", ""), "commit 11", keyed("", "z"), "commit 13")
	log, err := ReadLog(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	e := &installer.Evidence{}
	e.Quarantine = []installer.QuarantineRow{{Version: 1, Held: true}}
	for _, c := range []struct {
		ledger    []talos.Version
		installed int
	}{{nil, 0}, {[]talos.Version{7}, 1}, {[]talos.Version{7, 9}, 2}} {
		e.Ledger = c.ledger
		g, err := ReadGoing(t.Context(), from, log, e)
		if err != nil || g.Allowed != 2 || g.Installed != c.installed || g.OK() != (c.installed == 2) || len(g.Waiting) != 2-c.installed {
			t.Errorf("with %v: %+v, %v", c.ledger, g, err)
		}
	}
}
