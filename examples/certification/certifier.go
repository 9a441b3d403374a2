package certification

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Ruling is what the certifier finds about one candidate.
type Ruling struct {
	Version     talos.Version
	Outcome     talos.Outcome
	Safepoint   talos.Version // of a committed one
	Conflict    talos.Version // the version that an aborted one conflicts with, if one is named
	HasConflict bool
	SuffixStart talos.Version
}

// Certifier certifies candidates in the order of their versions, as the real one does, its
// flaws included: aborted candidates count as readers and writers for those after them, and
// what is pruned is forgotten with its keys, although newer versions may have them too.
type Certifier struct {
	head          talos.Version
	reads, writes map[string]talos.Version
	suffix        []certified
}

// certified is a candidate in the suffix.
type certified struct {
	version talos.Version
	request Request
	decided bool
}

// NewCertifier returns a certifier that has seen nothing.
func NewCertifier() *Certifier {
	return &Certifier{reads: map[string]talos.Version{}, writes: map[string]talos.Version{}}
}

// Certify rules about the candidate at version, which must be higher than all before it.
func (c *Certifier) Certify(version talos.Version, r Request) Ruling {
	if version > 0 {
		if len(c.suffix) == 0 {
			c.head = version
		}
		c.suffix = append(c.suffix, certified{version: version, request: r})
	}
	ruling := c.judge(version, r)
	for _, key := range r.ReadSet {
		c.reads[key] = version
	}
	for _, key := range r.WriteSet {
		c.writes[key] = version
	}
	return ruling
}

// judge applies the rules without remembering anything.
func (c *Certifier) judge(version talos.Version, r Request) Ruling {
	ruling := Ruling{Version: version, Outcome: talos.Aborted, SuffixStart: c.head}
	switch {
	case version == 0:
		return ruling
	case len(r.ReadSet) == 0:
	case uint64(c.base(version)) > r.Snapshot:
		return ruling
	default:
		if ruling.Conflict, ruling.HasConflict = c.conflict(r); ruling.HasConflict {
			return ruling
		}
	}
	ruling.Outcome = talos.Committed
	ruling.Safepoint = c.safepoint(version, r)
	return ruling
}

// base is the version below the suffix.
func (c *Certifier) base(version talos.Version) talos.Version {
	if c.head == 0 {
		return version - 1
	}
	return c.head - 1
}

// conflict returns the write that the candidate did not see, for the first such key.
func (c *Certifier) conflict(r Request) (talos.Version, bool) {
	for _, key := range r.ReadSet {
		if w := c.writes[key]; uint64(w) > r.Snapshot && !slices.Contains(r.ReadVers, w) {
			return w, true
		}
	}
	return 0, false
}

// safepoint is the newest earlier version that shares a key with the candidate.
func (c *Certifier) safepoint(version talos.Version, r Request) talos.Version {
	safepoint := c.base(version)
	for _, keys := range [][]string{r.ReadSet, r.WriteSet} {
		for _, key := range keys {
			safepoint = max(safepoint, c.reads[key], c.writes[key])
		}
	}
	return safepoint
}

// Decided notes that the decision about a version is published, which lets it be pruned.
func (c *Certifier) Decided(version talos.Version) {
	i, found := slices.BinarySearchFunc(c.suffix, version, func(e certified, v talos.Version) int {
		return int(int64(e.version) - int64(v))
	})
	if found {
		c.suffix[i].decided = true
	}
}

// Prune forgets decided candidates from the oldest on until keep are left, or until one is
// undecided. It returns how many it forgot.
func (c *Certifier) Prune(keep int) int {
	n := 0
	for n < len(c.suffix)-keep && c.suffix[n].decided {
		for _, key := range c.suffix[n].request.ReadSet {
			delete(c.reads, key)
		}
		for _, key := range c.suffix[n].request.WriteSet {
			delete(c.writes, key)
		}
		n++
	}
	c.suffix = slices.Delete(c.suffix, 0, n)
	if n > 0 && len(c.suffix) > 0 {
		c.head = c.suffix[0].version
	}
	return n
}
