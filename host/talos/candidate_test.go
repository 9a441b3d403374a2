package talos

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

const xid = "5a0c2f6e-7c1b-4e2b-9a53-0d6f2f1b9e11"

// base holds the fields that a candidate needs, in their order.
var base = [][2]string{
	{"xid", `"` + xid + `"`}, {"agent", `"a"`}, {"cohort", `"c"`}, {"readset", `["r"]`}, {"readvers", `[]`},
	{"snapshot", `3`}, {"writeset", `["w"]`}, {"publishedAt", `5`},
}

// with returns a candidate with the field set to the raw value, added when it is not one of
// the needed ones; an empty value takes the field away.
func with(field, raw string) string {
	var parts []string
	found := false
	for _, f := range base {
		if f[0] == field {
			found = true
			if raw == "" {
				continue
			}
			f[1] = raw
		}
		parts = append(parts, `"`+f[0]+`":`+f[1])
	}
	if !found {
		parts = append(parts, `"`+field+`":`+raw)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

const exampleA = `{"_typ":"CandidateMessage","xid":"5a0c2f6e-7c1b-4e2b-9a53-0d6f2f1b9e11","agent":"bank-agent-7","cohort":"banking-eu",
 "readset":["0017","0042"],"readvers":[],"snapshot":1030,"writeset":["0017","0042"],
 "statemap":[{"TRANSFER":{"amount":25.5,"from":"0017","to":"0042"}}],
 "onCommit":{"publish":{"kafka":[{"cluster":"","headers":null,"key":null,"keyEncoding":"","partition":null,"topic":"bank.feedback","value":{"amount":"25.5"},"valueEncoding":""}]}},
 "certificationStartedAt":1759118825118000123,"requestCreatedAt":1759118825120334411,"publishedAt":1759118825121907755}`

func TestDecodeCandidateReadsEveryField(t *testing.T) {
	var got Candidate
	if err := DecodeCandidate(1042, []byte(exampleA), &got); err != nil {
		t.Fatal(err)
	}
	want := Candidate{
		Version: 1042, XID: xid, Agent: "bank-agent-7", Cohort: "banking-eu", Snapshot: 1030,
		ReadSet: []string{"0017", "0042"}, WriteSet: []string{"0017", "0042"},
		CertificationStartedAt: 1759118825118000123, RequestCreatedAt: 1759118825120334411, PublishedAt: 1759118825121907755,
		Items: []Item{{Action: "TRANSFER", Payload: []byte(`{"amount":25.5,"from":"0017","to":"0042"}`)}},
		Value: []byte(exampleA),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeCandidateForgetsWhatItHeld(t *testing.T) {
	c := Candidate{Items: []Item{{Action: "OLD"}}, Unreadable: &Unreadable{}, ReadSet: []string{"old"}, PublishedAt: 9}
	if err := DecodeCandidate(8, []byte(with("readset", "[]")), &c); err != nil {
		t.Fatal(err)
	}
	if c.Items != nil || c.Unreadable != nil || c.ReadSet != nil || c.PublishedAt != 5 || c.Version != 8 {
		t.Errorf("got %+v", c)
	}
}

func TestDecodeCandidateRefuses(t *testing.T) {
	deep := strings.Repeat("[", 100_000)
	for _, c := range []struct{ name, text, reason, field string }{
		{"nothing", "", ReasonTruncated, ""},
		{"white space", " \n", ReasonTruncated, ""},
		{"a word", "candidate", ReasonNotJSON, ""},
		{"byte order mark", "\ufeff" + with("x", "1"), ReasonNotJSON, ""},
		{"null", "null", ReasonNullField, ""},
		{"a list", "[]", ReasonWrongType, ""},
		{"a string", `"x"`, ReasonWrongType, ""},
		{"empty object", "{}", ReasonMissingField, "xid"},
		{"cut short", strings.TrimSuffix(with("x", "1"), "}"), ReasonTruncated, ""},
		{"cut in a word", `{"x":nul`, ReasonTruncated, ""},
		{"cut in an escape", `{"x":"\u00`, ReasonTruncated, ""},
		{"cut after a backslash", `{"x":"\`, ReasonTruncated, ""},
		{"cut after a minus", `{"x":-`, ReasonTruncated, ""},
		{"trailing comma", `{"x":1,}`, ReasonNotJSON, ""},
		{"trailing bytes", with("x", "1") + "x", ReasonTrailingBytes, ""},
		{"two values", with("x", "1") + " {}", ReasonTrailingBytes, ""},
		{"key without quotes", `{x:1}`, ReasonNotJSON, ""},
		{"no colon", `{"x" 1}`, ReasonNotJSON, ""},
		{"leading zero", with("x", "01"), ReasonNotJSON, ""},
		{"no digit after the point", with("x", "1."), ReasonNotJSON, ""},
		{"no digit in the exponent", with("x", "1e+"), ReasonNotJSON, ""},
		{"NaN", with("x", "NaN"), ReasonNotJSON, ""},
		{"wrong bracket", with("x", "[1}"), ReasonNotJSON, ""},
		{"comma before a bracket", with("x", "[1,]"), ReasonNotJSON, ""},
		{"unclosed depth", with("x", deep), ReasonNotJSON, ""},
		{"unknown escape", with("x", `"\x"`), ReasonNotJSON, ""},
		{"bad hexadecimal", with("x", `"\u12g4"`), ReasonNotJSON, ""},
		{"control character in an unknown field", with("x", "\"a\x01\""), ReasonControlCharacter, ""},
		{"control character in the statemap", with("statemap", "[{\"A\":\"\n\"}]"), ReasonControlCharacter, "statemap"},
		{"broken statemap", with("statemap", `[{"A":1]`), ReasonNotJSON, "statemap"},
		{"broken second statemap", strings.TrimSuffix(with("statemap", "[]"), "}") + `,"statemap":[`, ReasonTruncated, "statemap"},
		{"invalid UTF-8 in a field name", "{\"\xff\":1}", ReasonInvalidUTF8, ""},
		{"lone surrogate in a field name", `{"\ud800":1}`, ReasonLoneSurrogate, ""},
		{"invalid UTF-8 in a known field", with("agent", "\"\xff\""), ReasonInvalidUTF8, "agent"},
		{"lone surrogate in a known field", with("agent", `"\ud800x"`), ReasonLoneSurrogate, "agent"},
		{"two leading surrogates", with("agent", `"\ud800\ud800"`), ReasonLoneSurrogate, "agent"},
		{"no xid", with("xid", ""), ReasonMissingField, "xid"},
		{"no agent", with("agent", ""), ReasonMissingField, "agent"},
		{"no cohort", with("cohort", ""), ReasonMissingField, "cohort"},
		{"no readset", with("readset", ""), ReasonMissingField, "readset"},
		{"no readvers", with("readvers", ""), ReasonMissingField, "readvers"},
		{"no snapshot", with("snapshot", ""), ReasonMissingField, "snapshot"},
		{"no writeset", with("writeset", ""), ReasonMissingField, "writeset"},
		{"no publishedAt", with("publishedAt", ""), ReasonMissingField, "publishedAt"},
		{"null readset", with("readset", "null"), ReasonNullField, "readset"},
		{"null publishedAt", with("publishedAt", "null"), ReasonNullField, "publishedAt"},
		{"null certificationStartedAt", with("certificationStartedAt", "null"), ReasonNullField, "certificationStartedAt"},
		{"integer in readset", with("readset", "[1]"), ReasonWrongType, "readset"},
		{"readset no list", with("readset", `"r"`), ReasonWrongType, "readset"},
		{"null in writeset", with("writeset", `[null]`), ReasonNullField, "writeset"},
		{"string in readvers", with("readvers", `["1"]`), ReasonWrongType, "readvers"},
		{"fraction in readvers", with("readvers", "[1.0]"), ReasonBadInteger, "readvers"},
		{"negative in readvers", with("readvers", "[-1]"), ReasonBadInteger, "readvers"},
		{"minus zero", with("snapshot", "-0"), ReasonBadInteger, "snapshot"},
		{"exponent", with("snapshot", "1e2"), ReasonBadInteger, "snapshot"},
		{"2^64", with("snapshot", "18446744073709551616"), ReasonBadInteger, "snapshot"},
		{"text for a number", with("snapshot", `"1"`), ReasonWrongType, "snapshot"},
		{"time with a fraction", with("publishedAt", "5.0"), ReasonBadInteger, "publishedAt"},
		{"time 2^64", with("publishedAt", "18446744073709551616"), ReasonTimeBeyond64Bits, "publishedAt"},
		{"time below -2^63", with("requestCreatedAt", "-9223372036854775809"), ReasonTimeBeyond64Bits, "requestCreatedAt"},
		{"time -2^127", with("requestCreatedAt", "-"+min128), ReasonTimeBeyond64Bits, "requestCreatedAt"},
		{"time 2^127", with("requestCreatedAt", min128), ReasonBadInteger, "requestCreatedAt"},
		{"time of 400 digits", with("requestCreatedAt", strings.Repeat("9", 400)), ReasonBadInteger, "requestCreatedAt"},
		{"agent twice", strings.TrimSuffix(with("x", "1"), "}") + `,"agent":"b"}`, ReasonRepeatedField, "agent"},
		{"xid twice, once escaped", strings.TrimSuffix(with("x", "1"), "}") + `,"xi\u0064":"` + xid + `"}`, ReasonRepeatedField, "xid"},
		{"metadata twice", strings.TrimSuffix(with("metadata", "null"), "}") + `,"metadata":null}`, ReasonRepeatedField, "metadata"},
		{"metadata with a number", with("metadata", `{"a":1}`), ReasonWrongType, "metadata"},
		{"metadata a list", with("metadata", `[]`), ReasonWrongType, "metadata"},
		{"xid no UUID", with("xid", `"x"`), ReasonInvalidXID, "xid"},
		{"xid empty", with("xid", `""`), ReasonInvalidXID, "xid"},
		{"xid with a hyphen off its place", with("xid", `"5a0c2f6e7-c1b-4e2b-9a53-0d6f2f1b9e11"`), ReasonInvalidXID, "xid"},
		{"xid with one brace", with("xid", `"{`+xid+`x"`), ReasonInvalidXID, "xid"},
		{"xid braced without hyphens", with("xid", `"{`+strings.ReplaceAll(xid, "-", "")+`}"`), ReasonInvalidXID, "xid"},
		{"xid with a g", with("xid", `"`+strings.Replace(xid, "a", "g", 1)+`"`), ReasonInvalidXID, "xid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got Candidate
			err := DecodeCandidate(1, []byte(c.text), &got)
			refused := (*Refused)(nil)
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, want a refusal", err)
			}
			if refused.Reason != c.reason || refused.Field != c.field {
				t.Errorf("got %v, want %s (%s)", refused, c.reason, c.field)
			}
			if refused.Where < 0 || refused.Where > len(c.text) {
				t.Errorf("seen at byte %d of %d", refused.Where, len(c.text))
			}
		})
	}
}

func TestDecodeCandidateAccepts(t *testing.T) {
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	deepMixed := strings.Repeat(`{"a":[`, 50_000) + "1" + strings.Repeat("]}", 50_000)
	for _, c := range []struct{ name, text string }{
		{"white space everywhere", " \t\r\n" + strings.ReplaceAll(strings.ReplaceAll(with("x", "[ 1 , { } ]"), ":", " : "), ",", "\n, ") + " \n"},
		{"unknown field twice", strings.TrimSuffix(with("x", "1"), "}") + `,"x":2}`},
		{"version and receivedAt of any kind", with("version", `"x"`)},
		{"onCommit without anything", with("onCommit", `{"publish":null}`)},
		{"onCommit with bytes that are no UTF-8", with("onCommit", "{\"\xff\":\"\xfe\"}")},
		{"onCommit with a lone surrogate", with("onCommit", `["\udc00"]`)},
		{"onCommit 100,000 deep", with("onCommit", deep)},
		{"onCommit 100,000 deep in both brackets", with("onCommit", deepMixed)},
		{"number beyond a double", with("x", "1e400")},
		{"number of 400 digits", with("x", strings.Repeat("7", 400))},
		{"escaped field name", strings.Replace(with("x", "1"), `"xid"`, `"\u0078i\u0064"`, 1)},
		{"snapshot 2^64-1", with("snapshot", "18446744073709551615")},
		{"negative time", with("publishedAt", "-9223372036854775808")},
		{"time 2^63-1", with("publishedAt", "9223372036854775807")},
		{"time 2^64-1", with("publishedAt", "18446744073709551615")},
		{"time -0", with("publishedAt", "-0")},
		{"empty agent", with("agent", `""`)},
		{"no keys", with("readset", "[]")},
		{"metadata", with("metadata", `{"tenant":"se","tenant":"no"}`)},
		{"null metadata", with("metadata", "null")},
		{"upper-case xid", with("xid", `"`+strings.ToUpper(xid)+`"`)},
		{"xid without hyphens", with("xid", `"`+strings.ReplaceAll(xid, "-", "")+`"`)},
		{"xid in braces", with("xid", `"{`+xid+`}"`)},
		{"xid as a URN", with("xid", `"urn:uuid:`+xid+`"`)},
		{"xid with an escape", with("xid", `"\u0035`+xid[1:]+`"`)},
		{"more keys than are collected in place", with("readset", "["+strings.Repeat(`"k",`, 99)+`"k"]`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got Candidate
			if err := DecodeCandidate(1, []byte(c.text), &got); err != nil {
				t.Fatal(err)
			}
			if got.Unreadable != nil || got.Items != nil {
				t.Errorf("got items %v, unreadable %v", got.Items, got.Unreadable)
			}
		})
	}
}

func TestDecodeCandidateUnescapesStrings(t *testing.T) {
	var got Candidate
	text := with("readset", `["\"\\\/\b\f\n\r\t","\u00e9\ud83d\ude00\u0000z","é"]`)
	if err := DecodeCandidate(1, []byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := []string{"\"\\/\b\f\n\r\t", "é😀\x00z", "é"}
	if !reflect.DeepEqual(got.ReadSet, want) {
		t.Errorf("got %q, want %q", got.ReadSet, want)
	}
}

func TestTimesBeyondInt64AreAbsent(t *testing.T) {
	var got Candidate
	if err := DecodeCandidate(1, []byte(with("publishedAt", "9223372036854775808")), &got); err != nil {
		t.Fatal(err)
	}
	if got.PublishedAt != 0 {
		t.Errorf("publishedAt is %d, want 0", got.PublishedAt)
	}
}
