package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func readTape(src []byte) (*tape, error) {
	t := new(tape)
	t.blob = append(t.blob, src...)
	return t, t.read(src, 0)
}

func (t *tape) bytes(r Ref) []byte { return t.blob[r.Offset:r.end()] }

func TestTokens(t *testing.T) {
	tests := []struct{ payload, want string }{
		{`null`, `1:null>1`},
		{` true `, `3:true>1`},
		{`-0.5e+10`, `4:-0.5e+10>1`},
		{`1e400`, `4:1e400>1`},
		{`"a"`, `5:a>1`},
		{`""`, `5:>1`},
		{`"\u0041\n\ud83d\ude00"`, "5:A\n😀*>1"},
		{`[]`, `6:[]>1`},
		{`{ }`, `7:{ }>1`},
		{`[1,[2,3],{}]`, `6:[1,[2,3],{}]>6 4:1>2 6:[2,3]>5 4:2>4 4:3>5 7:{}>6`},
		{`{"a":1,"b":{"c":"d"}}`, `7:{"a":1,"b":{"c":"d"}}>4 a=4:1>2 b=7:{"c":"d"}>4 c=5:d>4`},
		{`{"\u0061":false,"a":null}`, `7:{"\u0061":false,"a":null}>3 a*=2:false>2 a=1:null>3`},
	}
	for _, test := range tests {
		tape, err := readTape([]byte(test.payload))
		if err != nil {
			t.Errorf("%s: %v", test.payload, err)
			continue
		}
		if got := tapeText(tape); got != test.want {
			t.Errorf("%s\ngot  %s\nwant %s", test.payload, got, test.want)
		}
	}
}

func tapeText(t *tape) string {
	var words []string
	for i := range t.tokens {
		words = append(words, tokenText(&t.tokens[i], t.bytes))
	}
	return strings.Join(words, " ")
}

// tokenText writes a token as key=type:value>next, with a star behind what was unescaped.
func tokenText(tok *Token, bytes func(Ref) []byte) string {
	var b strings.Builder
	if tok.Key != (Ref{}) {
		b.Write(bytes(tok.Key))
		if tok.Flags&TokFlagKeyUnescaped != 0 {
			b.WriteByte('*')
		}
		b.WriteByte('=')
	}
	b.WriteByte('0' + byte(tok.Type))
	b.WriteByte(':')
	b.Write(bytes(tok.Value))
	if tok.Flags&TokFlagValueUnescaped != 0 {
		b.WriteByte('*')
	}
	b.WriteByte('>')
	b.WriteString(strconv.Itoa(int(tok.Next)))
	return b.String()
}

func TestTokensRefuse(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1)
	tests := []struct{ payload, why string }{
		{``, "unexpected end"}, {` `, "unexpected end"}, {`{`, "expected a key"}, {`[1`, "unexpected end"},
		{`[1,]`, "unexpected character"}, {`[,1]`, "unexpected character"}, {`[1 2]`, "unexpected character"},
		{`{"a"}`, "expected a colon"}, {`{"a":1,}`, "expected a key"}, {`{a:1}`, "expected a key"}, {`{"a":1]`, "unexpected character"},
		{`1 2`, "more than one value"}, {`01`, "more than one value"}, {`+1`, "unexpected character"}, {`1.`, "unexpected character"},
		{`.5`, "unexpected character"}, {`1e`, "unexpected character"}, {`-`, "unexpected character"}, {`nul`, "unexpected character"},
		{`NaN`, "unexpected character"}, {`"a`, "unexpected end"}, {"\"a\nb\"", "control character in a string"}, {`"\x"`, "unknown escape"},
		{`"\`, "unexpected end"}, {`"\u12g4"`, "unknown escape"}, {`"\ud800"`, "lone surrogate"}, {`"\ud800\u0041"`, "lone surrogate"},
		{`"\udc00"`, "lone surrogate"}, {"\"\\n\x01\"", "control character in a string"}, {"\"\xff\"", "invalid UTF-8"}, {deep, "nested too deeply"},
	}
	for _, test := range tests {
		_, err := readTape([]byte(test.payload))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Reason != test.why {
			t.Errorf("%q: %v, want %s", test.payload, err, test.why)
		}
	}
	fits := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	if _, err := readTape([]byte(fits)); err != nil {
		t.Errorf("depth %d: %v", MaxDepth, err)
	}
}

// FuzzTokens compares the tokeniser with encoding/json: it accepts the same, but for depth,
// invalid UTF-8 and lone surrogates, and reads the same values.
func FuzzTokens(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2,{"b":null}],"c":"\u00e9\ud83d\ude00"}`, `[[],{},"",-0.0e-1]`, `"\ud800"`, `{"a":1,"a":2}`, `[1,]`, "\"\xff\"", ` 1 `} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		tape, err := readTape(payload)
		if err != nil {
			if utf8.Valid(payload) && json.Valid(payload) && !excused(err) {
				t.Fatalf("%q: %v, but encoding/json reads it", payload, err)
			}
			return
		}
		if !json.Valid(payload) {
			t.Fatalf("%q is accepted, but encoding/json refuses it", payload)
		}
		compareTokens(t, payload, tape)
	})
}

func excused(err error) bool {
	var syntax *SyntaxError
	return errors.As(err, &syntax) && (syntax.Reason == "lone surrogate" || syntax.Reason == "nested too deeply")
}

// compareTokens walks encoding/json's tokens beside ours.
func compareTokens(t *testing.T, payload []byte, tape *tape) {
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	next := func() json.Token {
		tok, err := decoder.Token()
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		return tok
	}
	var walk func(i uint32) uint32
	walk = func(i uint32) uint32 {
		tok := &tape.tokens[i]
		value, got := next(), string(tape.bytes(tok.Value))
		i++
		switch v := value.(type) {
		case json.Delim:
			for ; decoder.More(); i = walk(i) {
				if v == '{' {
					if key := next(); key != string(tape.bytes(tape.tokens[i].Key)) {
						t.Fatalf("%q: key %q, want %q", payload, tape.bytes(tape.tokens[i].Key), key)
					}
				}
			}
			next()
		case string:
			if got != v || tok.Type != TokenString {
				t.Fatalf("%q: text %q, want %q", payload, got, v)
			}
		case json.Number:
			if got != v.String() || tok.Type != TokenNumber {
				t.Fatalf("%q: number %q, want %q", payload, got, v)
			}
		case bool, nil:
			if text, _ := json.Marshal(v); got != string(text) {
				t.Fatalf("%q: literal %q, want %s", payload, got, text)
			}
		}
		if tok.Next != i {
			t.Fatalf("%q: next is %d, want %d", payload, tok.Next, i)
		}
		return i
	}
	if n := walk(0); int(n) != len(tape.tokens) {
		t.Fatalf("%q: %d tokens, want %d", payload, len(tape.tokens), n)
	}
}

func TestIsNumber(t *testing.T) {
	for text, want := range map[string]bool{"1": true, "-1.50": true, "1e400": true, "0": true, "": false, "-": false, "01": false, "1 ": false, "NaN": false, "+1": false, "1_0": false, ".5": false} {
		if IsNumber([]byte(text)) != want {
			t.Errorf("IsNumber(%q) is %t", text, !want)
		}
	}
}
