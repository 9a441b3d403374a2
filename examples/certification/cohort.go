package certification

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/talos"
)

// cohort is what an initiator sees: its database's snapshot and the versions of the rows. An
// initiator installs a committed version by itself as soon as its decision is there and its
// safepoint is below the snapshot, so rows may be ahead of the snapshot.
type cohort struct {
	snapshot talos.Version
	rows     map[string]talos.Version
	order    []talos.Version // candidates above the snapshot, ascending
	decided  map[talos.Version]installed
}

// installed is what a decision asks of the cohort; nothing when it has no keys.
type installed struct {
	keys []string
}

func newCohort() *cohort {
	return &cohort{rows: map[string]talos.Version{}, decided: map[talos.Version]installed{}}
}

// sent notes that a candidate is in the log.
func (c *cohort) sent(version talos.Version) { c.order = append(c.order, version) }

// decide notes the first decision about a version. The keys are empty when it does not
// touch them, which aborted ones do not.
func (c *cohort) decide(version, safepoint talos.Version, keys []string) {
	if _, again := c.decided[version]; again || version <= c.snapshot && version > 0 {
		return
	}
	c.decided[version] = installed{keys}
	if safepoint <= c.snapshot {
		c.install(version, keys)
	}
	n := 0
	for ; n < len(c.order); n++ {
		done, ok := c.decided[c.order[n]]
		if !ok {
			break
		}
		c.snapshot = c.order[n]
		c.install(c.snapshot, done.keys)
		delete(c.decided, c.order[n])
	}
	c.order = slices.Delete(c.order, 0, n)
}

func (c *cohort) install(version talos.Version, keys []string) {
	for _, key := range keys {
		c.rows[key] = max(c.rows[key], version)
	}
}

// read returns what an initiator that reads the keys puts into its request.
func (c *cohort) read(keys []string) (snapshot uint64, readVers []talos.Version) {
	if len(keys) == 0 {
		return uint64(c.snapshot), nil
	}
	oldest := c.rows[keys[0]]
	for _, key := range keys {
		oldest = min(oldest, c.rows[key])
	}
	from := max(c.snapshot, oldest)
	for _, key := range keys {
		if v := c.rows[key]; v > from && !slices.Contains(readVers, v) {
			readVers = append(readVers, v)
		}
	}
	return uint64(from), readVers
}
