package workload

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// What stands in orders: names in many scripts, what means something to JSON, to SQL or in an array, and nothing.
var (
	customers = []string{"Ann Lee", "Åse Ørsted", "山田 太郎", "O'Brien \\ \"Söhne\"", "NULL", " ", "\u0301combining", "🧵🪡", "'; drop table shop.orders; --"}
	tags      = []string{"gift", "", "NULL", "a,b", "{x}", `"quoted"`, `back\slash`, "日本", "two\nlines", "🎁"}
	remarks   = raw(``, `null`, `""`, `"invoice 7"`, `"paid in \u20ac"`, `"à la carte"`, `"tab\there"`)
	details   = raw(``, ``, `null`, `{}`, `[]`, `0`, `"text"`, `true`, `{"b":1,"a":{"deep":[[[{"x":null}]]],"é":"\u00fc"},"b":2}`,
		`[1.50,1e2,-0.0,123456789012345678901234567890.000000001]`, `{"address":{"city":"Zürich","lines":["Bahnhofstraße 1",null]},"pieces":[{"kg":0.10},{}]}`)
	zones = []*time.Location{time.UTC, zone(1, 0), zone(-5, 0), zone(5, 45), zone(-11, 30), zone(14, 0)}
)

func raw(texts ...string) []json.RawMessage {
	all := make([]json.RawMessage, len(texts))
	for i, text := range texts {
		if text != "" {
			all[i] = json.RawMessage(text)
		}
	}
	return all
}

func zone(hours, minutes int) *time.Location {
	if hours < 0 {
		minutes = -minutes
	}
	return time.FixedZone("", 60*(60*hours+minutes))
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// Article returns the name of an article, from 0 on; one in eight is no plain word.
func Article(i int) string {
	odd := []string{"tasse \"blau\" %d", "{%d}", "päckchen, %d", "茶 %d"}
	if i%8 == 7 {
		return fmt.Sprintf(odd[i/8%len(odd)], i)
	}
	return fmt.Sprintf("article-%03d", i)
}

// someTags returns up to three tags, often none.
func someTags(rng *rand.Rand) *[]string {
	some := make([]string, rng.IntN(4))
	for i := range some {
		some[i] = pick(rng, tags)
	}
	return &some
}

// moment returns a time of the year 2026 to the microsecond, in some zone. Around the change to summer time the
// same wall clock is two instants, which the zone tells apart.
func moment(rng *rand.Rand) string {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rng.Int64N(365*24*3600)) * time.Second)
	switch rng.IntN(3) {
	case 0:
		at = at.Add(time.Duration(rng.Int64N(1_000_000)) * time.Microsecond)
	case 1:
		at = at.Add(time.Duration(rng.Int64N(1000)) * time.Millisecond)
	}
	return at.In(pick(rng, zones)).Format(time.RFC3339Nano)
}

// decimal returns an amount of money as a JSON number or a string: mostly in cents, sometimes with more digits than
// a float has, or with an exponent.
func decimal(rng *rand.Rand) json.RawMessage {
	text := fmt.Sprintf("%d.%02d", rng.IntN(1000), rng.IntN(100))
	switch rng.IntN(12) {
	case 0:
		text = fmt.Sprintf("%d%020d.%020d1", 1+rng.IntN(9), rng.Uint64(), rng.Uint64())
	case 1:
		text = fmt.Sprintf("%d.5e%d", rng.IntN(10), rng.IntN(40)-20)
	case 2:
		text = "0"
	}
	if rng.IntN(3) == 0 {
		text = strconv.Quote(text)
	}
	return json.RawMessage(text)
}
