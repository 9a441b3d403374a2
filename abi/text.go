package abi

import "unicode/utf8"

// copyHead is what stands before an unescaped copy: how many bytes before it the JSON text
// begins, and how many that text has, both u32.
const copyHead = 8

// text reads the string that begins at the current byte, a quote. Its reference is into
// the payload when it has no escapes, else to its unescaped copy at the end of the blob.
func (t *tape) text() (ref Ref, escaped bool, err error) {
	t.at++
	begin := t.at
	for t.at < len(t.src) {
		switch c := t.src[t.at]; {
		case c == '"':
			ref = Ref{t.base + uint32(begin), uint32(t.at - begin)}
			t.at++
			return ref, false, nil
		case c == '\\':
			ref, err = t.unescape(begin)
			return ref, true, err
		case c < 0x20:
			return Ref{}, false, t.fail("control character in a string")
		}
		t.at++
	}
	return Ref{}, false, t.fail("unexpected end")
}

// unescape reads on from the first escape of the string that begins at begin.
func (t *tape) unescape(begin int) (Ref, error) {
	start := len(t.blob) + copyHead
	t.blob = append(append(t.blob, make([]byte, copyHead)...), t.src[begin:t.at]...)
	for t.at < len(t.src) {
		switch c := t.src[t.at]; {
		case c == '"':
			t.at++
			quote := begin - 1
			le.PutUint32(t.blob[start-copyHead:], uint32(start)-t.base-uint32(quote))
			le.PutUint32(t.blob[start-copyHead+4:], uint32(t.at-quote))
			return Ref{uint32(start), uint32(len(t.blob) - start)}, nil
		case c == '\\':
			if err := t.escape(); err != nil {
				return Ref{}, err
			}
		case c < 0x20:
			return Ref{}, t.fail("control character in a string")
		default:
			t.blob = append(t.blob, c)
			t.at++
		}
	}
	return Ref{}, t.fail("unexpected end")
}

func (t *tape) escape() error {
	if t.at+1 >= len(t.src) {
		return t.fail("unexpected end")
	}
	var c byte
	switch t.src[t.at+1] {
	case '"', '\\', '/':
		c = t.src[t.at+1]
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return t.codePoint()
	default:
		return t.fail("unknown escape")
	}
	t.blob = append(t.blob, c)
	t.at += 2
	return nil
}

// codePoint reads \uXXXX, or the two of a surrogate pair. Half a pair has no UTF-8 and is
// refused.
func (t *tape) codePoint() error {
	r, ok := hex4(t.src[t.at:])
	if !ok {
		return t.fail("unknown escape")
	}
	size := 6
	switch {
	case r >= 0xdc00 && r <= 0xdfff:
		return t.fail("lone surrogate")
	case r >= 0xd800 && r <= 0xdbff:
		low, ok := hex4(t.src[t.at+6:])
		if !ok || low < 0xdc00 || low > 0xdfff {
			return t.fail("lone surrogate")
		}
		r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
		size = 12
	}
	t.blob = utf8.AppendRune(t.blob, r)
	t.at += size
	return nil
}

// hex4 reads the four digits of a \uXXXX that s begins with.
func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, c := range s[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
