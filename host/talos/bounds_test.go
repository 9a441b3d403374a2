package talos

import (
	"fmt"
	"strings"
	"testing"
)

// A small record can unpack to tens of millions of keys or items: what is kept of them is bounded, and the
// candidate stays one that the certifier accepts.
func TestWhatOneRecordUnpacksToIsBounded(t *testing.T) {
	candidate := func(readSet, writeSet, statemap string) *Candidate {
		t.Helper()
		value := fmt.Sprintf(`{"xid":"00000000-0000-4000-8000-000000000001","agent":"a","cohort":"c","readset":[%s],"readvers":[],"snapshot":0,"writeset":[%s],"statemap":[%s],"publishedAt":1}`,
			readSet, writeSet, statemap)
		c := new(Candidate)
		if err := DecodeCandidate(1, []byte(value), c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	different := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"k%d",`, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	same := strings.Repeat(`"a",`, 3*maxKeys) + `"b"`
	if c := candidate(same, `"w"`, ""); len(c.ReadSet) > maxKeys || len(Keys(c.ReadSet, c.WriteSet)) != 3 {
		t.Errorf("%d texts and %d keys of three that are repeated", len(c.ReadSet), len(Keys(c.ReadSet, c.WriteSet)))
	}
	if c := candidate(different(maxKeys), `"w"`, `{"A":1}`); len(Keys(c.ReadSet, c.WriteSet)) != maxKeys+1 || c.Unreadable != nil {
		t.Errorf("%d keys of as many as are kept, %v", len(Keys(c.ReadSet, c.WriteSet)), c.Unreadable)
	}
	for _, c := range []*Candidate{candidate(different(maxKeys+1), `"w"`, `{"A":1}`), candidate(`"r"`, different(maxKeys+1), `{"A":1}`)} {
		if len(c.ReadSet)+len(c.WriteSet) != 0 || c.Unreadable != nil || len(c.Items) != 1 {
			t.Errorf("%d read, %d written, %v: of too many keys none is kept, and its statemap has a meaning", len(c.ReadSet), len(c.WriteSet), c.Unreadable)
		}
	}
	item := `{"A":1},`
	if c := candidate("", "", strings.Repeat(item, maxItems-1)+`{"A":1}`); len(c.Items) != maxItems || c.Unreadable != nil {
		t.Errorf("%d items, %v", len(c.Items), c.Unreadable)
	}
	if c := candidate("", "", strings.Repeat(item, maxItems)+`{"A":1}`); c.Items != nil || c.Unreadable == nil || c.Unreadable.Reason != UnreadableTooManyItems {
		t.Errorf("%d items, %v, want none: they are too many", len(c.Items), c.Unreadable)
	}
}
