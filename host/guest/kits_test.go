package guest_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/guests"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// kits are the languages whose banking guest is compared with the one in Go.
var kits = []guests.Language{guests.C, guests.Rust, guests.AssemblyScript}

// statemaps makes versions of one to four items, most of them with something wrong or odd:
// missing, misspelt and repeated fields, every kind of value, escapes, signs, exponents.
func statemaps(n int) []guest.Record {
	r := rand.New(rand.NewPCG(7, 11))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	text := func() string {
		return pick(`"0017"`, `"0042"`, `"0001"`, `"0002"`, `"0003"`, `"0004"`, `"a\"\\,{}"`, `"\u0061\u00e9\ud83d\ude00"`, `"'; commit; --"`, `"NULL"`, `""`, `" "`, `"é"`, `"`+strings.Repeat("x", r.IntN(300))+`"`)
	}
	number := func() string {
		return pick("25.5", "-3", "1", "2", "3", "4.00", "5", "6", "7", "8", "0", "-0", "1e400", "1E-7", "12345678901234567890.123456789", `"1.00000"`, `"-2"`, `"+1"`, `"01"`, `"1."`, `".5"`, `"1e"`, `"NaN"`, `" 1"`, `"1}'); commit"`)
	}
	other := func() string { return pick("null", "true", "[1,[2]]", `{"amount":9,"from":"x"}`, "7", text()) }
	value := func(usual func() string) string {
		if r.IntN(25) == 0 {
			return other()
		}
		return usual()
	}
	payload := func() string {
		if r.IntN(25) == 0 {
			return other()
		}
		var fields []string
		for _, f := range []struct {
			key   string
			value func() string
		}{{"from", text}, {"to", text}, {"account", text}, {"amount", number}, {"note", other}, {"t\\u006f", text}, {"amount", number}} {
			if r.IntN(4) > 0 || (f.key == "amount" && r.IntN(3) > 0) {
				fields = append(fields, fmt.Sprintf(`%s"%s" :%s`, pick("", " "), f.key, value(f.value)))
			}
		}
		r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		return "{" + strings.Join(fields, ",") + "}"
	}
	records := make([]guest.Record, n)
	for i := range records {
		items := make([]talos.Item, max(1, r.IntN(6)-1))
		for j := range items {
			items[j] = item(pick("TRANSFER", "DEPOSIT", "WITHDRAW"), payload())
		}
		records[i] = record(1+i*7, items...)
	}
	return records
}

func TestKitsAgree(t *testing.T) {
	records := statemaps(4000)
	reference := mustLoad(t, "go", guesttest.Banking(t), guest.Options{Instances: 1, BatchTime: 1e9})
	want := convert(t, reference, records...)
	kinds := make(map[string]int)
	for i := range want {
		kind, _, _ := strings.Cut(strings.ReplaceAll(say(&want[i]), "[", ":"), ":")
		kinds[kind]++
	}
	for kind, n := range kinds {
		if n < 100 || len(kinds) < 7 {
			t.Errorf("the versions are too much alike: %d %s of %v", n, kind, kinds)
		}
	}
	for _, language := range kits {
		t.Run(string(language), func(t *testing.T) {
			g := mustLoad(t, string(language), guesttest.BankingIn(t, language), guest.Options{Instances: 1, BatchTime: 1e9})
			agrees(t, g, records, want)
		})
	}
}

// agrees checks that a guest makes of the records what is wanted, in batches of several sizes on the same
// instance.
func agrees(t *testing.T, g *guest.Generation, records []guest.Record, want []guest.Conversion) {
	t.Helper()
	for _, size := range []int{len(records), 1, 17, 200} {
		for first := 0; first < len(records); first += size {
			last := min(first+size, len(records))
			for i, c := range convert(t, g, records[first:last]...) {
				if got, want := say(&c), say(&want[first+i]); got != want {
					t.Fatalf("version %d, in batches of %d: %s\ngot  %s\nwant %s", records[first+i].Version, size, records[first+i].Items, got, want)
				}
			}
		}
	}
}
