package guest_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/examples/orders/workload"
	"github.com/ichor-replicator/ichor/guests"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/guest/sqlpolicy"
	"github.com/ichor-replicator/ichor/host/talos"
)

// odd makes the payloads of orders, most of them with something wrong or odd in one place.
type odd struct{ *rand.Rand }

func (o odd) pick(list ...string) string { return list[o.IntN(len(list))] }

// mostly is usual, or now and then something else.
func (o odd) mostly(usual string, others ...string) string {
	if o.IntN(20) > 0 {
		return usual
	}
	return o.pick(append(others, "null", "true", "7", `"x"`, `[1,[2]]`, `{"sku":"x"}`, `""`)...)
}

func (o odd) text() string {
	return o.pick(`"tea"`, `"a\"\\,{}"`, `"\u0061\u00e9\ud83d\ude00"`, `"NULL"`, `" "`, `"é"`, `"'; commit; --"`, `"`+strings.Repeat("x", 1+o.IntN(300))+`"`)
}

func (o odd) order() string {
	return o.mostly(fmt.Sprintf(`"5a0c2f6e-7c1b-4e2b-9a53-%012x"`, o.IntN(6)), `"5A0C2F6E-7C1B-4E2B-9A53-0D6F2F1B9E11"`, `"5a0c2f6e7c1b4e2b9a530d6f2f1b9e11"`, `"5a0c2f6e-7c1b-4e2b-9a53-0d6f2f1b9e1g"`)
}

func (o odd) moment() string {
	usual := o.pick(`"2026-03-29T02:30:00Z"`, `"2026-03-29T02:30:00.5+05:30"`, `"1999-12-31T23:59:60.123456789-11:00"`, `"2026-\u00303-29T02:30:00Z"`)
	return o.mostly(usual, `"now"`, `"2026-03-29"`, `"2026-03-29T02:30:00"`, `"2026-03-29T02:30:00.Z"`, `"2026-03-29 02:30:00Z"`, `"2026-03-29T02:30:00+0200"`, `"2026-03-29T02:30:00z"`, `"2026-03-29T02:30:00ZZ"`, `"é026-03-29T02:30:00Z"`)
}

func (o odd) decimal() string {
	return o.mostly(o.pick("9.90", "-3", "1e400", "1E-7", "-0", "12345678901234567890.123456789", `"1.00000"`), `"01"`, `"1."`, `"+1"`, `"NaN"`, `" 1"`)
}

func (o odd) units() string {
	return o.mostly(o.pick("1", "7", "1000000"), "0", "-1", "1.0", "1e3", "1000001", "99999999999999999999", `"2"`)
}

func (o odd) list(of func() string) string {
	all := make([]string, o.IntN(5))
	for i := range all {
		all[i] = of()
	}
	return o.mostly("[" + strings.Join(all, " , ") + "]")
}

// object writes fields in any order, some of them twice or not at all.
func (o odd) object(fields ...[2]string) string {
	var all []string
	for _, f := range fields {
		times := 1
		if n := o.IntN(60); n < 2 {
			times = 2 * n
		}
		for range times {
			all = append(all, fmt.Sprintf("%q :%s", f[0], f[1]))
		}
	}
	o.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return "{" + strings.Join(all, ",") + "}"
}

func (o odd) payload() string {
	line := func() string {
		return o.mostly(o.object([2]string{"sku", o.mostly(o.text())}, [2]string{"quantity", o.units()}, [2]string{"price", o.decimal()}, [2]string{"note", "1"}))
	}
	return o.mostly(o.object([2]string{"order", o.order()}, [2]string{"customer", o.mostly(o.text())}, [2]string{"at", o.moment()},
		[2]string{"total", o.decimal()}, [2]string{"tags", o.list(func() string { return o.mostly(o.text()) })}, [2]string{"details", o.mostly(`{"a" : [1.50]}`)},
		[2]string{"remark", o.mostly(o.text())}, [2]string{"lines", o.list(line)}, [2]string{"returned", o.list(line)}))
}

var orderActions = []string{"PLACE_ORDER", "CHANGE_ORDER", "PAY_ORDER", "SHIP_ORDER", "CANCEL_ORDER"}

// oddOrders makes versions of one to three items.
func oddOrders(n int) []guest.Record {
	o := odd{rand.New(rand.NewPCG(5, 8))}
	records := make([]guest.Record, n)
	for i := range records {
		items := make([]talos.Item, max(1, o.IntN(5)-1))
		for j := range items {
			items[j] = item(o.pick(orderActions...), o.payload())
		}
		records[i] = record(1+i*3, items...)
	}
	return records
}

// loadOrders loads the orders example's guest in a language.
func loadOrders(t *testing.T, l guests.Language) *guest.Generation {
	t.Helper()
	policy := sqlpolicy.Policy{Types: []string{"shop.order_status"}}
	return mustLoad(t, string(l), guesttest.OrdersIn(t, l), guest.Options{Instances: 1, BatchTime: 1e9, SQL: policy})
}

func TestTheGuestsOfOrdersAgree(t *testing.T) {
	records := oddOrders(4000)
	want := convert(t, loadOrders(t, guests.Go), records...)
	kinds := map[string]int{}
	for i := range want {
		said := say(&want[i])
		if _, what, rejected := strings.Cut(said, "_ORDER: "); rejected {
			_, said, _ = strings.Cut(what, " ") // without the field
		} else {
			said = "converted"
		}
		kinds[said]++
	}
	for kind, n := range kinds {
		if n < 15 || len(kinds) < 12 {
			t.Errorf("the versions are too much alike: %d %s of %v", n, kind, kinds)
		}
	}
	agrees(t, loadOrders(t, guests.AssemblyScript), records, want)
}

// A version of many orders, and one of an order with many lines, are converted with the default limits, and the
// lines are one statement.
func TestTheGuestsOfOrdersTakeMuchAtOnce(t *testing.T) {
	lines := make([]string, 1000)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"sku":"article %d","quantity":%d,"price":%d.25}`, i, 1+i%9, i)
	}
	place := `{"order":"5a0c2f6e-7c1b-4e2b-9a53-%012x","customer":"Ann","at":"2026-03-29T02:30:00Z","total":1,"tags":[],"lines":[%s]}`
	many := make([]talos.Item, 1000)
	for i := range many {
		many[i] = item("PLACE_ORDER", fmt.Sprintf(place, i, lines[i]))
	}
	for _, l := range []guests.Language{guests.Go, guests.AssemblyScript} {
		got := convert(t, loadOrders(t, l), record(1, item("PLACE_ORDER", fmt.Sprintf(place, 1, strings.Join(lines, ",")))), record(2, many...))
		for i, want := range []int{3, 3000} {
			if got[i].Reject != nil || len(got[i].Statements) != want {
				t.Errorf("%s: version %d became %d statements, %v", l, i+1, len(got[i].Statements), got[i].Reject)
			}
		}
	}
}

// What the workload of the example makes is converted, to the same statements in both languages.
func TestTheGuestsOfOrdersAgreeOnTheirWorkload(t *testing.T) {
	g, err := workload.New(workload.Options{Seed: 6, Changes: 2000})
	if err != nil {
		t.Fatal(err)
	}
	var records []guest.Record
	for m, more := g.Next(); more; m, more = g.Next() {
		var c talos.Candidate
		if talos.DecodeCandidate(talos.Version(m.Position), m.Value, &c) == nil && len(c.Items) > 0 {
			records = append(records, record(int(m.Position)+1, c.Items...))
		}
	}
	want := convert(t, loadOrders(t, guests.Go), records...)
	for i := range want {
		if want[i].Reject != nil {
			t.Fatalf("version %v: %v", records[i].Version, want[i].Reject)
		}
	}
	agrees(t, loadOrders(t, guests.AssemblyScript), records, want)
}
