package verify

import (
	"cmp"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// TableReport is what a table's comparison came to.
type TableReport struct {
	Table     string `json:"table"`
	Rows      int    `json:"rows"`   // that were compared, of the cohort's
	Wanted    int    `json:"wanted"` // that there should be
	Different int    `json:"different"`
	// Ahead are rows that differ and that a version wrote which the books do not have yet: an initiator of
	// the cohort installed it itself.
	Ahead   int             `json:"ahead"`
	LeftOut []string        `json:"left_out,omitempty"` // columns that draw from a sequence of their own
	First   []RowDifference `json:"first,omitempty"`
}

// RowDifference is a row that is not as it should be.
type RowDifference struct {
	Key  string `json:"key"`
	Want string `json:"want"` // "" if there is to be none
	Got  string `json:"got"`  // "" if there is none
	// Version is the one that wrote it last, in the replay that wants it or where none does in the other;
	// "" if none did since the start.
	Version string `json:"version"`
	// Guard is the version that the row itself names, where it has a column for that.
	Guard string `json:"guard,omitempty"`
}

// Sides are what is there and what should be, for people.
func (d *RowDifference) Sides() (got, want string) { return orNone(d.Got), orNone(d.Want) }

func orNone(text string) string {
	if text == "" {
		return "not there"
	}
	return text
}

// RowReader gives the rows of a table in the order of their keys; nil after the last.
type RowReader interface {
	Next() (*installer.Row, error)
}

// CompareRows walks over two tables at once, in the order of their keys, and reports what is in one of
// them alone or differs. Rows that are in a table several times are counted so. ahead says whether a
// version is one that the books do not have yet.
func CompareRows(want, got RowReader, ahead func(guard string) bool) (*TableReport, error) {
	r := &TableReport{}
	w, err := want.Next()
	if err != nil {
		return nil, err
	}
	g, err := got.Next()
	var last installer.Row // that is wanted, and was passed
	for err == nil && (w != nil || g != nil) {
		switch order := compareKeys(w, g); {
		case order < 0:
			r.Wanted++
			r.differ(RowDifference{Key: w.Key, Want: w.Text, Version: w.Version}, false)
			last = *w
			w, err = want.Next()
			continue
		case order > 0:
			r.Rows++
			d := RowDifference{Key: g.Key, Got: g.Text, Guard: g.Guard, Version: g.Version}
			if g.Key == last.Key { // it is there more often than it should be
				d.Version = last.Version
			}
			r.differ(d, ahead(g.Guard))
			g, err = got.Next()
			continue
		}
		r.Rows, r.Wanted = r.Rows+1, r.Wanted+1
		if w.Text != g.Text {
			r.differ(RowDifference{g.Key, w.Text, g.Text, w.Version, g.Guard}, ahead(g.Guard))
		}
		last = *w
		if w, err = want.Next(); err == nil {
			g, err = got.Next()
		}
	}
	return r, err
}

func compareKeys(w, g *installer.Row) int {
	switch {
	case w == nil:
		return 1
	case g == nil:
		return -1
	}
	return cmp.Compare(w.Key, g.Key)
}

func (r *TableReport) differ(d RowDifference, ahead bool) {
	if ahead {
		r.Ahead++
		return
	}
	r.Different++
	if len(r.First) < books.ShownMax {
		r.First = append(r.First, d)
	}
}
