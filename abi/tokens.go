package abi

import (
	"fmt"
	"unicode/utf8"
)

// Token is one JSON value of a payload, with its key when it is a member of an object.
// The references of a token lie in the frame's blob; a string's is its text without quotes
// and without escapes, every other value's is its JSON text.
type Token struct {
	Type  TokenType
	Flags uint8
	Key   Ref
	Value Ref
	// Next is the index, among the record's tokens, of the one behind this value and all
	// that it contains.
	Next uint32
}

// SyntaxError is why a payload is no JSON value that a guest may see.
type SyntaxError struct {
	Offset int    // in the payload
	Reason string // a few words
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("payload is not valid JSON: %s at byte %d", e.Reason, e.Offset)
}

// tape reads one JSON value into tokens. It is strict (RFC 8259, UTF-8, no lone
// surrogates), bounded in depth, and does not recurse.
type tape struct {
	src    []byte
	at     int
	base   uint32 // where src begins in the blob
	first  int    // the record's first token
	tokens []Token
	blob   []byte
	depth  int
	open   [MaxDepth]uint32 // indexes of the containers around the current value
	key    Ref
	keyed  uint8
}

// read appends the tokens of src, which begins at blob offset base, and the unescaped
// texts that it needs. On an error the tape's slices may hold a part; the caller cuts it off.
func (t *tape) read(src []byte, base uint32) error {
	t.src, t.at, t.base, t.first, t.depth = src, 0, base, len(t.tokens), 0
	if !utf8.Valid(src) {
		return t.fail("invalid UTF-8")
	}
	t.key, t.keyed = Ref{}, 0
	for {
		opened, err := t.value()
		if err != nil {
			return err
		}
		if opened {
			continue
		}
		if done, err := t.after(); done || err != nil {
			return err
		}
	}
}

func (t *tape) fail(reason string) error { return &SyntaxError{Offset: t.at, Reason: reason} }

func (t *tape) space() {
	for t.at < len(t.src) {
		switch t.src[t.at] {
		case ' ', '\t', '\n', '\r':
			t.at++
		default:
			return
		}
	}
}

// value reads a scalar, or the opening of a container. It reports whether a container was
// opened that has a first value still to be read.
func (t *tape) value() (opened bool, err error) {
	t.space()
	if t.at == len(t.src) {
		return false, t.fail("unexpected end")
	}
	switch c := t.src[t.at]; c {
	case '{':
		return t.push(TokenObject)
	case '[':
		return t.push(TokenArray)
	case '"':
		ref, escaped, err := t.text()
		flags := t.keyed
		if escaped {
			flags |= TokFlagValueUnescaped
		}
		t.emit(TokenString, flags, ref)
		return false, err
	case 't':
		return false, t.literal("true", TokenTrue)
	case 'f':
		return false, t.literal("false", TokenFalse)
	case 'n':
		return false, t.literal("null", TokenNull)
	default:
		return false, t.number()
	}
}

func (t *tape) emit(kind TokenType, flags uint8, value Ref) {
	t.tokens = append(t.tokens, Token{Type: kind, Flags: flags, Key: t.key, Value: value, Next: uint32(len(t.tokens)-t.first) + 1})
	t.key, t.keyed = Ref{}, 0
}

func (t *tape) push(kind TokenType) (opened bool, err error) {
	if t.depth == MaxDepth {
		return false, t.fail("nested too deeply")
	}
	t.open[t.depth] = uint32(len(t.tokens))
	t.depth++
	t.emit(kind, t.keyed, Ref{Offset: t.base + uint32(t.at)})
	t.at++
	t.space()
	if t.at < len(t.src) && t.src[t.at] == kind.closer() {
		return false, nil // after closes it
	}
	if kind == TokenObject {
		return true, t.member()
	}
	return true, nil
}

func (k TokenType) closer() byte {
	if k == TokenObject {
		return '}'
	}
	return ']'
}

// after reads what follows a value: the ends of containers, then a comma or the end of
// the payload. It reports whether the payload is read.
func (t *tape) after() (done bool, err error) {
	for {
		t.space()
		if t.depth == 0 {
			if t.at != len(t.src) {
				return false, t.fail("more than one value")
			}
			return true, nil
		}
		if t.at == len(t.src) {
			return false, t.fail("unexpected end")
		}
		top := &t.tokens[t.open[t.depth-1]]
		switch c := t.src[t.at]; {
		case c == top.Type.closer():
			t.at++
			top.Value.Length = t.base + uint32(t.at) - top.Value.Offset
			top.Next = uint32(len(t.tokens) - t.first)
			t.depth--
		case c == ',':
			t.at++
			if top.Type == TokenObject {
				t.space()
				return false, t.member()
			}
			return false, nil
		default:
			return false, t.fail("unexpected character")
		}
	}
}

// member reads a key and its colon.
func (t *tape) member() error {
	if t.at == len(t.src) || t.src[t.at] != '"' {
		return t.fail("expected a key")
	}
	ref, escaped, err := t.text()
	if err != nil {
		return err
	}
	t.key = ref
	if escaped {
		t.keyed = TokFlagKeyUnescaped
	}
	t.space()
	if t.at == len(t.src) || t.src[t.at] != ':' {
		return t.fail("expected a colon")
	}
	t.at++
	return nil
}

func (t *tape) literal(word string, kind TokenType) error {
	if len(t.src)-t.at < len(word) || string(t.src[t.at:t.at+len(word)]) != word {
		return t.fail("unexpected character")
	}
	t.emit(kind, t.keyed, Ref{t.base + uint32(t.at), uint32(len(word))})
	t.at += len(word)
	return nil
}

func (t *tape) number() error {
	n := numberLength(t.src[t.at:])
	if n == 0 {
		return t.fail("unexpected character")
	}
	t.emit(TokenNumber, t.keyed, Ref{t.base + uint32(t.at), uint32(n)})
	t.at += n
	return nil
}

// numberLength returns the length of the JSON number that s begins with, 0 if there is none.
func numberLength(s []byte) int {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	switch {
	case i < len(s) && s[i] == '0':
		i++
	default:
		n := digits(s[i:])
		if n == 0 {
			return 0
		}
		i += n
	}
	if i < len(s) && s[i] == '.' {
		n := digits(s[i+1:])
		if n == 0 {
			return 0
		}
		i += 1 + n
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		n := digits(s[i:])
		if n == 0 {
			return 0
		}
		i += n
	}
	return i
}

func digits(s []byte) int {
	for i, c := range s {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(s)
}

// IsNumber reports whether s is one JSON number and nothing else. A guest may use it to
// check a decimal that came as a string.
func IsNumber(s []byte) bool { return len(s) > 0 && numberLength(s) == len(s) }
