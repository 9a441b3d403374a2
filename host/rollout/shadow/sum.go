package shadow

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"maps"
	"slices"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/talos"
)

const sumSize = sha256.Size

// sumOf returns the SHA-256 of a difference: of the version and of all that was compared, nothing of it cut
// off. Each part is preceded by its length, so that no two differences are written alike.
func sumOf(version talos.Version, before, now Side) (sum [sumSize]byte) {
	w := writer{sha256.New()}
	w.number(uint64(version))
	w.side(before)
	w.side(now)
	w.hash.Sum(sum[:0])
	return sum
}

// shapeOf returns the SHA-256 of what a difference is like, whatever version it is of: how both ended, which statements each
// made, and which of their values differ, without the values.
func shapeOf(d *Difference, before, now Side) (sum [sumSize]byte) {
	w := writer{sha256.New()}
	w.text(string(d.Kind))
	w.text(string(d.Aspect))
	w.shape(before)
	w.shape(now)
	if d.Aspect == AspectParameters {
		for _, differs := range valuesThatDiffer(before, now) {
			w.text(differs)
		}
	}
	w.hash.Sum(sum[:0])
	return sum
}

// shape writes a side's status and its templates, each once: how many statements of one there are depends on the version.
func (w writer) shape(s Side) {
	c := s.Conversion
	w.number(uint64(c.Status))
	if c.Reject != nil {
		w.text(string(c.Reject.Class))
		w.number(uint64(c.Reject.Code))
	}
	templates := map[string]bool{}
	for _, st := range c.Statements {
		t := s.Manifest.Template(st.Template)
		templates[fmt.Sprintf("%q %q %d", t.SQL, t.Params, t.Rows)] = true
	}
	for _, text := range slices.Sorted(maps.Keys(templates)) {
		w.text(text)
	}
}

// valuesThatDiffer names the parameters of templates whose values differ, each once. Both sides have the same statements.
func valuesThatDiffer(before, now Side) []string {
	differs := map[string]bool{}
	for i, st := range now.Conversion.Statements {
		was := before.Conversion.Statements[i]
		for p := range st.Args {
			if p < len(was.Args) && !sameValue(was.Args[p], st.Args[p]) {
				differs[fmt.Sprintf("%d %q", p, now.Manifest.Template(st.Template).SQL)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(differs))
}

// writer writes what is summed.
type writer struct{ hash hash.Hash }

func (w writer) number(n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	w.hash.Write(b[:])
}

func (w writer) text(s string) {
	w.number(uint64(len(s)))
	w.hash.Write([]byte(s))
}

func (w writer) side(s Side) {
	c := s.Conversion
	w.number(uint64(c.Status))
	w.reject(c.Reject)
	w.number(uint64(len(c.Statements)))
	for _, st := range c.Statements {
		t := s.Manifest.Template(st.Template)
		w.text(t.SQL)
		w.number(uint64(len(t.Params)))
		for _, p := range t.Params {
			w.text(p)
		}
		w.number(uint64(t.Rows))
		w.number(uint64(len(st.Args)))
		for _, arg := range st.Args {
			if arg == nil {
				w.text("null")
				continue
			}
			w.text("value")
			w.text(string(arg))
		}
	}
}

// reject writes what sameReject compares.
func (w writer) reject(r *guest.Reject) {
	switch {
	case r == nil:
		w.text("")
	case r.Fault != nil:
		w.text(string(r.Class))
		w.text(string(r.Fault.Kind))
	default:
		w.text(string(r.Class))
		w.number(uint64(r.Code))
		w.text(r.Message)
	}
}
