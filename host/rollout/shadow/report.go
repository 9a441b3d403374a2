package shadow

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/ichor-replicator/ichor/host/talos"
)

// digestMost is how many differences a digest is made over: 5 MB of sums. Nobody looks through more.
const digestMost = 1 << 17

// Report is what a comparison came to.
type Report struct {
	Compared    int            `json:"compared"`     // versions
	Same        int            `json:"same"`         //
	Differ      int            `json:"differ"`       // as Kind has it, like those below
	NewRejects  int            `json:"new_rejects"`  //
	OldRejected int            `json:"old_rejected"` //
	Aspects     map[Aspect]int `json:"aspects,omitempty"`
	// Digest names the set of the differences: of the same versions by the same two modules it is the same,
	// whoever compares them in whatever order, and another version that differs or another value gives
	// another. Empty if nothing differs, and if TooMany do.
	Digest  string `json:"digest,omitempty"` // sha256: and hexadecimal
	TooMany bool   `json:"too_many,omitempty"`
	// Shapes names what the differences that are held against the new module are like, whatever versions they are of and
	// whatever values they have: statements that it makes and the old one does not, values of a statement that differ.
	// Empty if there are none, and if they are of too many kinds.
	Shapes string       `json:"shapes,omitempty"` // sha256: and hexadecimal
	First  []Difference `json:"first,omitempty"`  // those of the lowest versions, ascending
}

// Different returns how many versions differ.
func (r *Report) Different() int { return r.Differ + r.NewRejects + r.OldRejected }

// Against returns how many versions speak against the new module: those that differ, but for what it alone converts. That
// is what a guest is mended for.
func (r *Report) Against() int { return r.Differ + r.NewRejects }

// Comparison gathers differences. What it holds is bounded, however many there are. One goroutine uses it.
type Comparison struct {
	report Report
	shown  int
	sums   []summed
	shapes map[[sumSize]byte]bool
}

// shapesMost is how many kinds of differences are told apart.
const shapesMost = 1 << 12

// summed is a version that differs.
type summed struct {
	version talos.Version
	sum     [sumSize]byte
}

// NewComparison returns a comparison that keeps so many differences for people.
func NewComparison(shown int) *Comparison {
	return &Comparison{shown: shown, report: Report{Aspects: map[Aspect]int{}}, shapes: map[[sumSize]byte]bool{}}
}

// Add takes what Compare returned of one more version, also nil. Versions come in any order, each once.
func (c *Comparison) Add(d *Difference) {
	r := &c.report
	r.Compared++
	if d == nil {
		r.Same++
		return
	}
	switch d.Kind {
	case NewRejects:
		r.NewRejects++
	case OldRejected:
		r.OldRejected++
	case Differ:
		r.Differ++
	}
	r.Aspects[d.Aspect]++
	if d.Kind != OldRejected && len(c.shapes) <= shapesMost {
		c.shapes[d.shape] = true
	}
	if r.TooMany = len(c.sums) == digestMost; !r.TooMany {
		c.sums = append(c.sums, summed{d.Version, d.sum})
	}
	c.show(d)
}

// show keeps a difference if its version is one of the lowest.
func (c *Comparison) show(d *Difference) {
	first := c.report.First
	at, _ := slices.BinarySearchFunc(first, d.Version, func(is Difference, v talos.Version) int { return cmp.Compare(is.Version, v) })
	if at == c.shown {
		return
	}
	first = slices.Insert(first, at, *d)
	c.report.First = first[:min(len(first), c.shown)]
}

// Report returns what the comparison came to so far. Later additions do not change it.
func (c *Comparison) Report() Report {
	r := c.report
	r.First = slices.Clone(r.First)
	r.Aspects = make(map[Aspect]int, len(c.report.Aspects))
	for aspect, n := range c.report.Aspects {
		r.Aspects[aspect] = n
	}
	r.Digest, r.Shapes = c.digest(), c.named()
	return r
}

// named is over the kinds of differences, in the order of their sums.
func (c *Comparison) named() string {
	if len(c.shapes) == 0 || len(c.shapes) > shapesMost {
		return ""
	}
	all := sha256.New()
	for _, shape := range slices.SortedFunc(maps.Keys(c.shapes), func(a, b [sumSize]byte) int { return bytes.Compare(a[:], b[:]) }) {
		all.Write(shape[:])
	}
	return "sha256:" + hex.EncodeToString(all.Sum(nil))
}

// digest is over the versions that differ, ascending.
func (c *Comparison) digest() string {
	if len(c.sums) == 0 || c.report.TooMany {
		return ""
	}
	slices.SortFunc(c.sums, func(a, b summed) int {
		return cmp.Or(cmp.Compare(a.version, b.version), bytes.Compare(a.sum[:], b.sum[:]))
	})
	all := sha256.New()
	for i := range c.sums {
		all.Write(c.sums[i].sum[:])
	}
	return "sha256:" + hex.EncodeToString(all.Sum(nil))
}
