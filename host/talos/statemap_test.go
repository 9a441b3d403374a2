package talos

import (
	"reflect"
	"strings"
	"testing"
)

func TestStatemapThatHasAMeaning(t *testing.T) {
	fits := strings.Repeat("[", 125) + strings.Repeat("]", 125)
	digits := strings.Repeat("1", 400)
	for _, c := range []struct {
		name, statemap string
		want           []Item
	}{
		{"null", "null", nil},
		{"empty", " [ ] ", nil},
		{"two items", `[{"A":1},{"B":2}]`, []Item{{"A", []byte("1")}, {"B", []byte("2")}}},
		{"null payload", `[{"A":null}]`, []Item{{"A", []byte("null")}}},
		{"white space round a payload", `[ { "A" : [ 1, 2 ] } ]`, []Item{{"A", []byte("[ 1, 2 ]")}}},
		{"same action twice", `[{"A":1},{"A":1}]`, []Item{{"A", []byte("1")}, {"A", []byte("1")}}},
		{"beyond a double", `[{"A":1e400}]`, []Item{{"A", []byte("1e400")}}},
		{"400 digits", `[{"A":` + digits + `}]`, []Item{{"A", []byte(digits)}}},
		{"same key twice inside a payload", `[{"A":{"x":1,"x":2}}]`, []Item{{"A", []byte(`{"x":1,"x":2}`)}}},
		{"escaped action", `[{"\u0041\n":"\u00e9"}]`, []Item{{"A\n", []byte(`"\u00e9"`)}}},
		{"paired surrogates", `[{"A":"\ud83d\ude00"}]`, []Item{{"A", []byte(`"\ud83d\ude00"`)}}},
		{"as deep as may be", `[{"A":` + fits + `}]`, []Item{{"A", []byte(fits)}}},
		{"empty action", `[{"":1}]`, []Item{{"", []byte("1")}}},
		{"five items", `[{"A":1},{"A":2},{"A":3},{"A":4},{"A":5}]`, []Item{{"A", []byte("1")}, {"A", []byte("2")}, {"A", []byte("3")}, {"A", []byte("4")}, {"A", []byte("5")}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got Candidate
			if err := DecodeCandidate(1, []byte(with("statemap", c.statemap)), &got); err != nil {
				t.Fatal(err)
			}
			if got.Unreadable != nil {
				t.Fatal(got.Unreadable)
			}
			if !reflect.DeepEqual(got.Items, c.want) {
				t.Errorf("got %q, want %q", got.Items, c.want)
			}
		})
	}
}

func TestStatemapThatHasNone(t *testing.T) {
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	tooDeep := strings.Repeat("[", 126) + strings.Repeat("]", 126)
	for _, c := range []struct{ name, statemap, reason, at string }{
		{"an object", `{"A":1}`, UnreadableNotAList, `{"A`},
		{"a string", `"A"`, UnreadableNotAList, `"A"}`},
		{"a number", `1`, UnreadableNotAList, `1}`},
		{"true", `true`, UnreadableNotAList, `true`},
		{"a string in the list", `[{"A":1},"B"]`, UnreadableElementNotAnObject, `"B"`},
		{"null in the list", `[null,{"A":1}]`, UnreadableElementNotAnObject, `null`},
		{"a list in the list", `[[1]]`, UnreadableElementNotAnObject, `[1]`},
		{"no key", `[{"A":1},{ }]`, UnreadableNoKey, `{ }`},
		{"two keys", `[{"A":1,"B":2}]`, UnreadableSeveralKeys, `"B"`},
		{"one key twice", `[{"A":1,"A":1}]`, UnreadableSeveralKeys, `"A":1}]`},
		{"bytes that are no UTF-8", "[{\"A\":[\"\xff\"]}]", UnreadableInvalidUTF8, "\xff"},
		{"bytes that are no UTF-8 in a key", "[{\"A\":{\"\xff\":1}}]", UnreadableInvalidUTF8, "\xff"},
		{"an action that is no UTF-8", "[{\"\xff\":1}]", UnreadableInvalidUTF8, "\xff"},
		{"encoded surrogate", "[{\"A\":\"\xed\xa0\x80\"}]", UnreadableInvalidUTF8, "\xed"},
		{"lone surrogate", `[{"A":"x\ud800"}]`, UnreadableLoneSurrogate, `\ud800`},
		{"trailing surrogate first", `[{"A":"\udc00\ud800"}]`, UnreadableLoneSurrogate, `\udc00`},
		{"lone surrogate in the action", `[{"\ud800":1}]`, UnreadableLoneSurrogate, `\ud800`},
		{"one too deep", `[{"A":` + tooDeep + `}]`, UnreadableTooDeep, ""},
		{"100,000 deep", `[{"A":` + deep + `}]`, UnreadableTooDeep, ""},
		{"100,000 deep, no payload", deep, UnreadableElementNotAnObject, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := with("statemap", c.statemap)
			var got Candidate
			if err := DecodeCandidate(1, []byte(text), &got); err != nil {
				t.Fatal(err)
			}
			if got.Unreadable == nil || got.Unreadable.Reason != c.reason {
				t.Fatalf("got %v, want %s", got.Unreadable, c.reason)
			}
			if got.Items != nil {
				t.Errorf("items %q beside a statemap without a meaning", got.Items)
			}
			if !strings.HasPrefix(text[got.Unreadable.Where:], c.at) {
				t.Errorf("seen at %q, want %q", text[got.Unreadable.Where:], c.at)
			}
			if got.XID != xid || got.PublishedAt != 5 {
				t.Errorf("the rest of the candidate is lost: %+v", got)
			}
		})
	}
}

func TestRepeatedStatemapIsTwiceWhateverElseItIs(t *testing.T) {
	for _, pair := range [][2]string{{`[{"A":1}]`, `[{"A":1}]`}, {"null", "null"}, {"[{}]", "[]"}, {"[]", "7"}} {
		text := strings.TrimSuffix(with("statemap", pair[0]), "}") + `,"statemap":` + pair[1] + `}`
		var got Candidate
		if err := DecodeCandidate(1, []byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if got.Unreadable == nil || got.Unreadable.Reason != UnreadableTwice || got.Items != nil {
			t.Errorf("%v: unreadable %v, items %v", pair, got.Unreadable, got.Items)
		}
	}
}

func TestLargeValuesNeitherPanicNorOverflow(t *testing.T) {
	const size = 20 << 20
	for name, filler := range map[string]string{
		"brackets": strings.Repeat("[", size),
		"objects":  strings.Repeat(`{"a":`, size/5),
		"a string": `"` + strings.Repeat("é", size/2) + `"`,
		"digits":   strings.Repeat("9", size),
	} {
		var got Candidate
		err := DecodeCandidate(1, []byte(with("statemap", `[{"A":`+filler+`}]`)), &got)
		if brackets := name == "brackets" || name == "objects"; brackets != (err != nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
