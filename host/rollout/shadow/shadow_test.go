package shadow_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/rollout/shadow"
	"github.com/ichor-replicator/ichor/host/talos"
)

// before and now number their templates differently.
var (
	before = &abi.Manifest{Templates: []abi.Template{
		{ID: 1, Name: "pay", SQL: "update purse set amount = $1", Params: []string{"numeric"}},
		{ID: 2, Name: "note", SQL: "insert into notes values ($1)", Params: []string{"text"}},
	}}
	now = &abi.Manifest{Templates: []abi.Template{
		{ID: 7, Name: "payment", SQL: "update purse set amount = $1", Params: []string{"numeric"}},
		{ID: 8, Name: "note", SQL: "insert into notes values ($1)", Params: []string{"varchar"}},
		{ID: 9, Name: "pay", SQL: "update purse set amount = $1 where true", Params: []string{"numeric"}},
		{ID: 10, Name: "pay", SQL: "update purse set amount = $1", Params: []string{"numeric"}, Rows: 1},
	}}
)

func statement(template uint32, args ...string) guest.Statement {
	s := guest.Statement{Template: template}
	for _, a := range args {
		if a == "null" {
			s.Args = append(s.Args, nil)
			continue
		}
		s.Args = append(s.Args, []byte(a))
	}
	return s
}

func converted(statements ...guest.Statement) guest.Conversion {
	return guest.Conversion{Statements: statements}
}

func skipped() guest.Conversion { return guest.Conversion{Status: guest.Skipped} }

func rejected(r guest.Reject) guest.Conversion {
	return guest.Conversion{Status: guest.Rejected, Reject: &r}
}

func fault(kind guest.FaultKind, detail string) guest.Conversion {
	f := &guest.Fault{Kind: kind, Detail: detail}
	return rejected(guest.Reject{Class: guest.ClassFault, Message: f.Error(), Fault: f})
}

func compare(v talos.Version, was, is guest.Conversion) *shadow.Difference {
	was.Version, is.Version = v, v
	was.Begin, was.End, is.Begin = 1, 2, 3
	record := &guest.Record{Version: v, XID: "x", Items: []talos.Item{{Action: "PAY", Payload: []byte(`{"amount": 5}`)}}}
	return shadow.Compare(record, shadow.Side{Manifest: before, Conversion: &was}, shadow.Side{Manifest: now, Conversion: &is})
}

// TestEachKindOfDifferenceIsFound has one row for each thing that is compared.
func TestEachKindOfDifferenceIsFound(t *testing.T) {
	pay := statement(1, "5")
	no := guest.Reject{Class: guest.ClassGuest, Code: 1, Message: "no"}
	for _, c := range []struct {
		name    string
		was, is guest.Conversion
		kind    shadow.Kind
		aspect  shadow.Aspect
		says    string
	}{
		{"the same under other numbers and names", converted(pay), converted(statement(7, "5")), "", "", ""},
		{"no statements", converted(), converted(), "", "", ""},
		{"skipped", skipped(), skipped(), "", "", ""},
		{"rejected alike", rejected(no), rejected(no), "", "", ""},
		{"faults of one kind", fault(guest.FaultTrap, "in f"), fault(guest.FaultTrap, "in g"), "", "", ""},
		{"skipped by the new one", converted(pay), skipped(), shadow.Differ, shadow.AspectStatus, "the old one converts it, the new one skips it"},
		{"skipped is not no statements", skipped(), converted(), shadow.Differ, shadow.AspectStatus, "the old one skips it, the new one converts it"},
		{"rejected by the new one", converted(pay), rejected(no), shadow.NewRejects, shadow.AspectStatus, "the new one rejects it"},
		{"a fault of the new one", skipped(), fault(guest.FaultFuel, ""), shadow.NewRejects, shadow.AspectStatus, "the new one rejects it"},
		{"rejected by the old one", rejected(no), converted(), shadow.OldRejected, shadow.AspectStatus, "the old one rejects it, the new one converts it"},
		{"another class", rejected(no), rejected(guest.Reject{Class: guest.ClassAction, Code: 1, Message: "no"}), shadow.Differ, shadow.AspectReject, "for another reason"},
		{"another code", rejected(no), rejected(guest.Reject{Class: guest.ClassGuest, Code: 2, Message: "no"}), shadow.Differ, shadow.AspectReject, "for another reason"},
		{"another message", rejected(no), rejected(guest.Reject{Class: guest.ClassGuest, Code: 1, Message: "No"}), shadow.Differ, shadow.AspectReject, "for another reason"},
		{"a fault of another kind", fault(guest.FaultTrap, ""), fault(guest.FaultFuel, ""), shadow.Differ, shadow.AspectReject, "for another reason"},
		{"a fault and a reject", rejected(no), fault(guest.FaultTrap, ""), shadow.Differ, shadow.AspectReject, "for another reason"},
		{"one statement more", converted(pay), converted(statement(7, "5"), statement(7, "6")), shadow.Differ, shadow.AspectCount, "2 statements, and the old one has 1"},
		{"one statement less", converted(pay, pay), converted(statement(7, "5")), shadow.Differ, shadow.AspectCount, "1 statements, and the old one has 2"},
		{"other SQL", converted(pay), converted(statement(9, "5")), shadow.Differ, shadow.AspectTemplate, "statement 1 has other SQL"},
		{"other types", converted(statement(2, "a")), converted(statement(8, "a")), shadow.Differ, shadow.AspectTemplate, "statement 1 has values of other types"},
		{"other rows", converted(pay), converted(statement(10, "5")), shadow.Differ, shadow.AspectTemplate, "promises another number of rows"},
		{"another value", converted(pay, pay), converted(statement(7, "5"), statement(7, "5.0")), shadow.Differ, shadow.AspectParameters, `statement 2 has $1 = "5.0", and the old one "5"`},
		{"null is not empty", converted(statement(1, "null")), converted(statement(7, "")), shadow.Differ, shadow.AspectParameters, `$1 = "", and the old one null`},
		{"null is not null in letters", converted(statement(1, "null")), converted(guest.Statement{Template: 7, Args: [][]byte{[]byte("null")}}), shadow.Differ, shadow.AspectParameters, `$1 = "null", and the old one null`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := compare(5, c.was, c.is)
			if d == nil {
				d = &shadow.Difference{}
			}
			if d.Kind != c.kind || d.Aspect != c.aspect || !strings.Contains(d.What, c.says) {
				t.Errorf("got %q, %q, %q, want %q, %q, %q", d.Kind, d.Aspect, d.What, c.kind, c.aspect, c.says)
			}
		})
	}
}

// TestADifferenceShowsBothSides is what a person is given.
func TestADifferenceShowsBothSides(t *testing.T) {
	d := compare(5, converted(statement(1, "5")), converted(statement(7, "null")))
	if d.XID != "x" || d.Statemap != `[{"PAY": {"amount": 5}}]` || *d.Old.Statements[0].Values[0] != "5" || d.New.Statements[0].Values[0] != nil ||
		d.Old.Statements[0].Name != "pay" || d.New.Statements[0].Name != "payment" || d.New.Statements[0].SQL != now.Templates[0].SQL {
		t.Errorf("got %+v", d)
	}
}

// TestADifferenceIsBounded gives versions of many items, statements and bytes.
func TestADifferenceIsBounded(t *testing.T) {
	long := strings.Repeat("ä", 100_000)
	var was, is []guest.Statement
	for range 1000 {
		was, is = append(was, statement(1, long)), append(is, statement(7, long))
	}
	is[700] = statement(7, "short")
	record := &guest.Record{Version: 5, XID: long}
	for range 1000 {
		record.Items = append(record.Items, talos.Item{Action: "PAY", Payload: []byte(`"` + long + `"`)})
	}
	old, changed := converted(was...), converted(is...)
	d := shadow.Compare(record, shadow.Side{Manifest: before, Conversion: &old}, shadow.Side{Manifest: now, Conversion: &changed})
	size := len(d.XID) + len(d.Statemap) + len(d.What)
	for _, o := range []guest.Outcome{d.Old, d.New} {
		if o.Before != 700 || len(o.Statements) != 16 || o.After != 1000-716 {
			t.Errorf("%d statements before, %d shown, %d after", o.Before, len(o.Statements), o.After)
		}
		for _, s := range o.Statements {
			size += len(*s.Values[0])
		}
	}
	if size > 32<<10 {
		t.Errorf("%d bytes are kept", size)
	}
	if got := *d.New.Statements[0].Values[0]; got != "short" {
		t.Errorf("the first that is shown is %q", got)
	}
	if !strings.HasSuffix(d.Statemap, "ä…") || !strings.Contains(d.What, `ä…", and`) && !strings.Contains(d.What, `ä…"`) {
		t.Errorf("cut off at %q, %q", d.Statemap[len(d.Statemap)-8:], d.What)
	}
	if len(changed.Statements) != 1000 || !bytes.Equal(changed.Statements[0].Args[0], []byte(long)) {
		t.Error("the conversion itself was shortened")
	}
}

// differences are of every kind, one a version.
func differences() (all []*shadow.Difference) {
	no := rejected(guest.Reject{Class: guest.ClassGuest, Code: 1, Message: "no"})
	for v := talos.Version(1); v <= 40; v++ {
		switch v % 4 {
		case 0:
			all = append(all, compare(v, converted(), no))
		case 1:
			all = append(all, compare(v, no, skipped()))
		case 2:
			all = append(all, compare(v, converted(statement(1, "1")), converted(statement(7, "2"))))
		default:
			all = append(all, compare(v, skipped(), skipped()))
		}
	}
	return all
}

func report(shown int, all []*shadow.Difference) shadow.Report {
	c := shadow.NewComparison(shown)
	for _, d := range all {
		c.Add(d)
	}
	return c.Report()
}

// TestAReportCountsAndKeepsTheLowest also when versions come in another order.
func TestAReportCountsAndKeepsTheLowest(t *testing.T) {
	all := differences()
	want := report(3, all)
	if want.Compared != 40 || want.Same != 10 || want.Differ != 10 || want.NewRejects != 10 || want.OldRejected != 10 || want.Different() != 30 ||
		want.Aspects[shadow.AspectStatus] != 20 || want.Aspects[shadow.AspectParameters] != 10 || !strings.HasPrefix(want.Digest, "sha256:") || len(want.Digest) != 71 {
		t.Errorf("got %+v", want)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		got := report(3, all)
		if got.Digest != want.Digest || len(got.First) != 3 || got.First[0].Version != 1 || got.First[1].Version != 2 || got.First[2].Version != 4 {
			t.Fatalf("in another order: %s, first %+v", got.Digest, got.First)
		}
	}
	if got := report(0, all); len(got.First) != 0 || got.Digest != want.Digest {
		t.Errorf("what is shown changes the digest, or nothing is to be shown: %+v", got)
	}
}

// TestADigestIsOfTheseDifferencesAlone changes one thing each time.
func TestADigestIsOfTheseDifferencesAlone(t *testing.T) {
	long := strings.Repeat("x", 10_000) // more than is shown
	seen := map[string]string{}
	no := func(code uint32, message string) guest.Conversion {
		return rejected(guest.Reject{Class: guest.ClassGuest, Code: code, Message: message})
	}
	for name, all := range map[string][]*shadow.Difference{
		"a value":               {compare(5, converted(statement(1, "1")), converted(statement(7, "2")))},
		"another new value":     {compare(5, converted(statement(1, "1")), converted(statement(7, "3")))},
		"another old value":     {compare(5, converted(statement(1, "0")), converted(statement(7, "2")))},
		"another version":       {compare(6, converted(statement(1, "1")), converted(statement(7, "2")))},
		"turned":                {compare(5, converted(statement(1, "2")), converted(statement(7, "1")))},
		"null":                  {compare(5, converted(statement(1, "1")), converted(statement(7, "null")))},
		"empty":                 {compare(5, converted(statement(1, "1")), converted(statement(7, "")))},
		"one more":              {compare(5, converted(statement(1, "1")), converted(statement(7, "2"))), compare(6, converted(), skipped())},
		"behind what is shown":  {compare(5, converted(statement(1, long+"1")), converted(statement(7, long+"2")))},
		"and another":           {compare(5, converted(statement(1, long+"1")), converted(statement(7, long+"3")))},
		"SQL":                   {compare(5, converted(statement(1, "1")), converted(statement(9, "1")))},
		"rows":                  {compare(5, converted(statement(1, "1")), converted(statement(10, "1")))},
		"two statements":        {compare(5, converted(statement(1, "1")), converted(statement(7, "1"), statement(7, "1")))},
		"a reject":              {compare(5, converted(), no(1, "a"))},
		"another code":          {compare(5, converted(), no(2, "a"))},
		"another message":       {compare(5, converted(), no(1, "b"))},
		"a fault":               {compare(5, converted(), fault(guest.FaultTrap, "a"))},
		"a fault of other kind": {compare(5, converted(), fault(guest.FaultFuel, "a"))},
		"no statements":         {compare(5, skipped(), converted())},
	} {
		got := report(1, all).Digest
		if other := seen[got]; other != "" {
			t.Errorf("%q and %q have one digest", name, other)
		}
		seen[got] = name
		if again := report(5, all).Digest; again != got {
			t.Errorf("%q has %s, and then %s", name, got, again)
		}
	}
	a, b := compare(5, converted(), fault(guest.FaultTrap, "in f")), compare(5, converted(), fault(guest.FaultTrap, "in g"))
	if report(1, []*shadow.Difference{a}).Digest != report(1, []*shadow.Difference{b}).Digest {
		t.Error("two faults of one kind have two digests")
	}
}

// TestNoDifferencesHaveNoDigest so that nobody confirms nothing.
func TestNoDifferencesHaveNoDigest(t *testing.T) {
	if got := report(1, []*shadow.Difference{nil, nil}); got.Digest != "" || got.Same != 2 || got.Different() != 0 {
		t.Errorf("got %+v", got)
	}
}

// TestMoreDifferencesThanAnyoneReadsHaveNoDigest: what a comparison holds is bounded.
func TestMoreDifferencesThanAnyoneReadsHaveNoDigest(t *testing.T) {
	c := shadow.NewComparison(1)
	d := *compare(1, converted(), skipped())
	for v := range talos.Version(1<<17 + 1) {
		one := d
		one.Version = v + 1
		c.Add(&one)
		if r := c.Report; v == 1<<17-1 && (r().TooMany || r().Digest == "") {
			t.Fatalf("%d differences have no digest", v+1)
		}
	}
	if r := c.Report(); !r.TooMany || r.Digest != "" || r.Differ != 1<<17+1 || len(r.First) != 1 {
		t.Errorf("got %+v", r)
	}
}

// TestALaterAdditionLeavesAReportAlone: a status is read while versions go on.
func TestALaterAdditionLeavesAReportAlone(t *testing.T) {
	c := shadow.NewComparison(2)
	all := differences()
	slices.Reverse(all)
	for _, d := range all[:5] {
		c.Add(d)
	}
	early := c.Report()
	for _, d := range all[5:] {
		c.Add(d)
	}
	if early.Compared != 5 || len(early.First) != 2 || early.First[0].Version != 36 || early.First[1].Version != 37 || early.Aspects[shadow.AspectStatus] != 3 {
		t.Errorf("it became %+v", early)
	}
}

// What two modules differ in has one name, whatever versions, values and numbers of statements they were compared over;
// another change has another, and what the new one alone converts has none.
func TestWhatDiffersHasOneName(t *testing.T) {
	named := func(all ...*shadow.Difference) string {
		r := report(10, all)
		return r.Shapes
	}
	no := guest.Reject{Class: guest.ClassGuest, Code: 1, Message: "no"}
	amount := func(v talos.Version, was, is string) *shadow.Difference {
		return compare(v, converted(statement(1, was)), converted(statement(7, is)))
	}
	name := named(amount(1, "5", "6"))
	if name == "" || name != named(amount(8, "70", "71"), amount(9, "1", "null"), nil) {
		t.Errorf("the same change over other versions is %q and %q", name, named(amount(8, "70", "71")))
	}
	more := compare(3, converted(statement(1, "5"), statement(1, "5")), converted(statement(7, "5"), statement(7, "6")))
	if name != named(more) {
		t.Error("a version of two statements has another name")
	}
	cured := compare(4, rejected(no), converted(statement(7, "5")))
	if named(cured) != "" || named(cured, more) != name {
		t.Error("what the new one alone converts has a name")
	}
	if r := report(10, []*shadow.Difference{cured, cured, more}); r.Against() != 1 || r.OldRejected != 2 {
		t.Errorf("%d speak against the new one, and %d it alone converts", r.Against(), r.OldRejected)
	}
	seen := map[string]bool{"": true, name: true}
	for i, other := range []*shadow.Difference{
		compare(1, converted(statement(1, "5")), skipped()), compare(1, skipped(), converted(statement(7, "5"))),
		compare(1, converted(statement(1, "5")), rejected(no)), compare(1, converted(statement(1, "5")), converted(statement(9, "5"))),
		compare(1, converted(statement(2, "5")), converted(statement(8, "6"))),
	} {
		if is := named(other); seen[is] {
			t.Errorf("change %d is named as another", i)
		} else {
			seen[is] = true
		}
		if both := named(other, more); seen[both] {
			t.Errorf("change %d with another is named as one alone", i)
		} else {
			seen[both] = true
		}
	}
}
