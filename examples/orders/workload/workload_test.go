package workload

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/examples/certification"
)

func all(t *testing.T, options Options) (messages []certification.Message, counts certification.Counts) {
	t.Helper()
	g, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	for m, more := g.Next(); more; m, more = g.Next() {
		messages = append(messages, m)
	}
	return messages, g.Counts()
}

func TestSeedDecidesEverything(t *testing.T) {
	one, _ := all(t, Options{Seed: 7, Changes: 300})
	two, _ := all(t, Options{Seed: 7, Changes: 300})
	other, _ := all(t, Options{Seed: 8, Changes: 300})
	same := func(a, b []certification.Message) bool {
		return slices.EqualFunc(a, b, func(a, b certification.Message) bool {
			return bytes.Equal(a.Value, b.Value) && bytes.Equal(a.Key, b.Key)
		})
	}
	if !same(one, two) {
		t.Error("one seed gives two workloads")
	}
	if same(one, other) {
		t.Error("two seeds give one workload")
	}
}

// TestWorkloadHoldsWhatAShopCanHold looks for each kind of value in the texts of the candidates, and of outcome in
// those of the decisions.
func TestWorkloadHoldsWhatAShopCanHold(t *testing.T) {
	messages, counts := all(t, Options{Seed: 1, Changes: 6000})
	kinds := map[string]*regexp.Regexp{
		"several items":        regexp.MustCompile(`"statemap":\[\{"PLACE_ORDER":.*\},\{"PAY_ORDER"`),
		"blind":                regexp.MustCompile(`"readset":\[\].*"PAY_ORDER"`),
		"no statemap":          regexp.MustCompile(`"writeset":\["settings:limits"\],("onCommit"|"cert)`),
		"an empty statemap":    regexp.MustCompile(`"statemap":\[\]`),
		"a null statemap":      regexp.MustCompile(`"statemap":null`),
		"no lines":             regexp.MustCompile(`"lines":\[\]`),
		"no tags":              regexp.MustCompile(`"tags":\[\]`),
		"a null remark":        regexp.MustCompile(`"remark":null`),
		"null details":         regexp.MustCompile(`"details":null`),
		"nested details":       regexp.MustCompile(`"details":\{"b":1,"a":\{"deep":\[\[\[\{`),
		"a tag that is quoted": regexp.MustCompile(`"tags":\[[^\]]*"\\"quoted\\""`),
		"a big number":         regexp.MustCompile(`"total":"?\d{20,}\.\d{20,}`),
		"an exponent":          regexp.MustCompile(`"price":"?\d\.5e-?\d+`),
		"a number as text":     regexp.MustCompile(`"price":"\d`),
		"a zone":               regexp.MustCompile(`"at":"[^"]*-11:30"`),
		"microseconds":         regexp.MustCompile(`"at":"[^"]*\.\d{6}[Z+-]`),
		"unicode":              regexp.MustCompile(`"customer":"山田`),
		"returned":             regexp.MustCompile(`CANCEL_ORDER.*"returned":\[\{"sku"`),
		"a conflict":           regexp.MustCompile(`"aborted".*"conflictVersion"`),
		"a duplicate":          regexp.MustCompile(`"duplicateVersion"`),
	}
	found := map[string]int{}
	large := 0
	for _, m := range messages {
		for name, kind := range kinds {
			if kind.Match(m.Value) {
				found[name]++
			}
		}
		if strings.Count(string(m.Value), `"sku"`) >= largeLines {
			large++
		}
	}
	for name := range kinds {
		if found[name] == 0 {
			t.Errorf("there is not %s", name)
		}
	}
	if large == 0 || counts.Done < 6000 {
		t.Errorf("%d large orders; the generator counted %+v", large, counts)
	}
	if share := float64(counts.Candidates-counts.Committed) / float64(counts.Candidates); share < 0.01 || share > 0.5 {
		t.Errorf("%.1f %% are aborted", 100*share)
	}
}

// TestKeysAreThoseOfTheRows: a request names its orders in both sets, and all articles that it counts in the
// set of what it writes.
func TestKeysAreThoseOfTheRows(t *testing.T) {
	messages, _ := all(t, Options{Seed: 2, Changes: 500})
	checked := 0
	for _, m := range messages {
		var candidate struct {
			ReadSet, WriteSet []string
			Statemap          []map[string]payload
		}
		if json.Unmarshal(m.Value, &candidate) != nil || len(candidate.ReadSet) == 0 {
			continue
		}
		for _, item := range candidate.Statemap {
			for action, p := range item {
				checked++
				want := []string{"order:" + p.Order}
				for _, lines := range []*[]line{p.Lines, p.Returned} {
					if lines != nil {
						for _, l := range *lines {
							want = append(want, "article:"+l.SKU)
						}
					}
				}
				for _, key := range want {
					if !slices.Contains(candidate.WriteSet, key) {
						t.Errorf("%s at %v does not write %s", action, m.Position, key)
					}
				}
				if !slices.Contains(candidate.ReadSet, want[0]) {
					t.Errorf("%s at %v does not read %s", action, m.Position, want[0])
				}
			}
		}
	}
	if checked < 500 {
		t.Errorf("%d items were looked at", checked)
	}
}

// TestTheShopRemembersWhatIsCommitted, so that what is returned is what an order had.
func TestTheShopRemembersWhatIsCommitted(t *testing.T) {
	s := newShop(10)
	s.Committed(&certification.Request{Change: []change{{order: "a", lines: []line{{SKU: "x", Quantity: 2}}}, {order: "b", lines: []line{}}}})
	s.Committed(&certification.Request{Change: []change{{order: "a", lines: []line{{SKU: "y", Quantity: 3}}}}})
	s.Committed(&certification.Request{Change: []change{{order: "b", over: true}, {order: "c", over: true}}})
	s.Committed(&certification.Request{})
	if len(s.open) != 1 || s.open[0] != "a" || s.place["a"] != 0 || len(s.place) != 1 || len(s.lines) != 1 || s.lines["a"][0].SKU != "y" {
		t.Errorf("got %+v", s)
	}
	if back := given([]line{{SKU: "y", Quantity: 3, Price: json.RawMessage("1")}}); len(back) != 1 || back[0].Price != nil || back[0].Quantity != 3 {
		t.Errorf("got %+v", back)
	}
}

func TestPlainWorkloadPlacesOrdersOnly(t *testing.T) {
	messages, counts := all(t, Options{Seed: 3, Changes: 200, Plain: true})
	if 2*counts.Candidates != len(messages) {
		t.Errorf("%d messages of %+v", len(messages), counts)
	}
	for _, m := range messages {
		if bytes.Contains(m.Value, []byte("CandidateMessage")) && !bytes.Contains(m.Value, []byte(`"statemap":[{"PLACE_ORDER"`)) {
			t.Errorf("got %s", m.Value)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{Articles: -1}, {MaxDelay: -1}, {Changes: -1}, {Prune: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v passed", o)
		}
	}
}
