package talos

import (
	"iter"
	"unsafe"
)

// scanner walks one JSON text as the certifier's parser does: what that parser ignores is
// checked for syntax only, without recursion, so neither its depth nor bytes that are no
// UTF-8 matter. Its methods return false after the first refusal, which is then in refused.
type scanner struct {
	text    []byte
	at      int
	field   string // the known field being read, for the refusal
	refused *Refused
	open    nest
}

// quoted is a scanned string: where its bytes lie and whether they need a second look.
type quoted struct {
	from, to int // the bytes between the quotes
	escaped  bool
	high     bool // bytes from 0x80 on
}

// byteClass sorts the bytes of a string by what a scanner has to do about them.
var byteClass = func() (class [256]uint8) {
	for b := range 0x20 {
		class[b] = classControl
	}
	for b := 0x80; b <= 0xff; b++ {
		class[b] = classHigh
	}
	class['"'] = classQuote
	class['\\'] = classEscape
	return class
}()

const (
	classPlain uint8 = iota
	classQuote
	classEscape
	classControl
	classHigh
)

// refuse notes why the text is refused; the first reason stays.
func (s *scanner) refuse(reason string, where int) bool {
	if s.refused == nil {
		s.refused = &Refused{Reason: reason, Field: s.field, Where: where}
	}
	return false
}

// unexpected refuses the byte at the cursor where something else was needed.
func (s *scanner) unexpected() bool {
	if s.at >= len(s.text) {
		return s.refuse(ReasonTruncated, len(s.text))
	}
	return s.refuse(ReasonNotJSON, s.at)
}

// mismatch refuses the value at the cursor because it is not of the type that was needed,
// or not a value at all.
func (s *scanner) mismatch() bool {
	start := s.at
	isNull := s.peek() == 'n'
	if !s.skip(0, nil) {
		return false
	}
	if isNull {
		return s.refuse(ReasonNullField, start)
	}
	return s.refuse(ReasonWrongType, start)
}

// peek passes over white space and returns the byte after it, 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.text) && s.text[s.at] > ' ' { // as agents write it
		return s.text[s.at]
	}
	return s.peekFar()
}

func (s *scanner) peekFar() byte {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case ' ', '\n', '\r', '\t':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// take passes over white space and the byte c, which is not 0.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return s.unexpected()
	}
	s.at++
	return true
}

// more is asked after an element of an object or a list: true with the cursor behind a comma,
// false behind the closing byte; ok is false when neither stands there.
func (s *scanner) more(closing byte) (again, ok bool) {
	switch s.peek() {
	case ',':
		s.at++
		return true, true
	case closing:
		s.at++
		return false, true
	}
	return false, s.unexpected()
}

// begin passes over the opening bracket of a container and, when it is empty, over the
// closing one too.
func (s *scanner) begin(opening byte) (filled, ok bool) {
	if s.peek() != opening {
		return false, s.mismatch()
	}
	s.at++
	if s.peek() == opening+2 { // both closing brackets lie two after their opening ones
		s.at++
		return false, true
	}
	return true, true
}

// fields yields the name of each field of the object at the cursor, whose value the body must
// then read. It ends early when something is refused.
func (s *scanner) fields() iter.Seq[string] {
	return func(yield func(string) bool) {
		again, ok := s.begin('{')
		for again && ok {
			s.field = ""
			var name string
			if !s.key(&name) || !yield(name) || s.refused != nil {
				return
			}
			again, ok = s.more('}')
		}
	}
}

// key reads the name of a field. Names that the certifier's parser compares must be UTF-8.
func (s *scanner) key(into *string) bool {
	if s.peek() != '"' {
		return s.unexpected()
	}
	return s.readText(into) && s.take(':')
}

// elements yields once for each element of the list at the cursor, which the body must then
// read. It ends early when something is refused.
func (s *scanner) elements() iter.Seq[struct{}] {
	return func(yield func(struct{}) bool) {
		again, ok := s.begin('[')
		for again && ok {
			if !yield(struct{}{}) || s.refused != nil {
				return
			}
			again, ok = s.more(']')
		}
	}
}

// end checks that nothing was refused and nothing but white space is left.
func (s *scanner) end() bool {
	if s.refused != nil {
		return false
	}
	s.field = ""
	s.peek()
	return s.at >= len(s.text) || s.refuse(ReasonTrailingBytes, s.at)
}

func (s *scanner) literal(word string) bool {
	for i := range len(word) {
		if s.at >= len(s.text) || s.text[s.at] != word[i] {
			return s.unexpected()
		}
		s.at++
	}
	return true
}

// quotedAt passes over the string at the cursor. Escapes are checked for their form alone:
// a lone surrogate passes here.
func (s *scanner) quotedAt() (q quoted, ok bool) {
	if !s.take('"') {
		return q, false
	}
	q.from = s.at
	for {
		rest, i := s.text[s.at:], 0
		for i < len(rest) && byteClass[rest[i]] == classPlain {
			i++
		}
		s.at += i
		if i == len(rest) {
			return q, s.unexpected()
		}
		switch byteClass[rest[i]] {
		case classQuote:
			q.to = s.at
			s.at++
			return q, true
		case classHigh:
			q.high = true
			s.at++
		case classEscape:
			q.escaped = true
			if !s.escape() {
				return q, false
			}
		default:
			return q, s.refuse(ReasonControlCharacter, s.at)
		}
	}
}

func (s *scanner) escape() bool {
	s.at++ // the backslash
	if s.at >= len(s.text) {
		return s.unexpected()
	}
	switch s.text[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return true
	case 'u':
		s.at++
		for range 4 {
			if s.at >= len(s.text) || hexDigit(s.text[s.at]) < 0 {
				return s.unexpected()
			}
			s.at++
		}
		return true
	}
	return s.unexpected()
}

// readText reads the string at the cursor as a value that has a meaning: its bytes must be
// UTF-8 and its surrogates paired. The result aliases the text unless it has escapes.
func (s *scanner) readText(into *string) bool {
	if s.peek() != '"' {
		return s.mismatch()
	}
	q, ok := s.quotedAt()
	if !ok {
		return false
	}
	if reason, where := s.meaningless(q); reason != "" {
		return s.refuse(reason, where)
	}
	*into = s.string(q)
	return true
}

// string returns the text of a scanned string that has a meaning.
func (s *scanner) string(q quoted) string {
	raw := s.text[q.from:q.to]
	if q.escaped {
		return unescape(raw)
	}
	return alias(raw)
}

// alias returns a string over b without copying it. The record's bytes are never written to.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
