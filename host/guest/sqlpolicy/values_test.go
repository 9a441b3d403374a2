package sqlpolicy

import (
	"strings"
	"testing"
)

func TestValues(t *testing.T) {
	long := strings.Repeat("9", 2000)
	for _, test := range []struct {
		kind      string
		good, bad []string
	}{
		{"smallint", []string{"0", "-32768", "32767", "+1", "00032767", "1.0", " 1 ", "0x1", "32768"}, []string{"", "-", "a", "1\x00"}},
		{"integer", []string{"2147483647", "-2147483648", "1e3"}, []string{"a", ""}},
		{"bigint", []string{"9223372036854775807", "-9223372036854775808", long}, []string{"", "x"}},
		{"numeric", []string{"1", "-1.50", ".5", "5.", "1e400", "1E-1001", "NaN", " nan ", "-Infinity", "inf", long, strings.Repeat("9", 100_000)}, []string{"", ".", " ", "--", "abc", "1\x00"}},
		{"double precision", []string{"1.5", "NaN", "-Infinity", "1e300"}, []string{"x", ""}},
		{"boolean", []string{"t", "false", "1", "TRUE", " y ", "of"}, []string{"2", "", "maybe", "o", "truer"}},
		{"uuid", []string{"5a0c2f6e-7c1b-4e2b-9a53-0d6f2f1b9e11", "5A0C2F6E-7C1B-4E2B-9A53-0D6F2F1B9E11", "{5a0c2f6e7c1b4e2b9a530d6f2f1b9e11}"}, []string{"", "5a0c2f6e-7c1b-4e2b-9a53-0d6f2f1b9e1g", "5a0c2f6e-7c1b-4e2b-9a53-0d6f2f1b9e111"}},
		{"jsonb", []string{`{"a":[1,"\u00e9\ud83d\ude00"]}`, `"\\u0000"`}, []string{`{`, "", `"\u0000"`, `"\ud83d"`, `"\ude00"`, `"\ud83d\u0041"`, "\"\xff\""}},
		{"json", []string{`{"a":1}`, `"\u0000"`}, []string{`{`, "", "\"\xff\""}},
		{"timestamptz", []string{"2026-01-01T00:00:00Z", "infinity"}, []string{"now", " NOW ", "today", "tomorrow allballs", "", "  ", "2026\x00"}},
		{"interval", []string{"1 day"}, []string{""}},
		{"text", []string{"", "now", "'; commit; --", long}, []string{"\x00", "\xff"}},
		{"text[]", []string{"{a,b}"}, []string{"{\x00}"}},
	} {
		check := Values([]string{test.kind})[0]
		for _, v := range test.good {
			if why := check([]byte(v)); why != "" {
				t.Errorf("%s %.40q is refused: %s", test.kind, v, why)
			}
		}
		for _, v := range test.bad {
			if check([]byte(v)) == "" {
				t.Errorf("%s %.40q passes", test.kind, v)
			}
		}
	}
}

// BenchmarkValue checks an account number, an amount and a version.
func BenchmarkValue(b *testing.B) {
	check := Values([]string{"text", "numeric", "bigint"})
	values := [][]byte{[]byte("account-000017"), []byte("25.50"), []byte("104200")}
	b.ReportAllocs()
	for b.Loop() {
		for i, v := range values {
			if why := check[i](v); why != "" {
				b.Fatal(why)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/3, "ns/value")
}
