package talos

import (
	"unicode/utf16"
	"unicode/utf8"
)

// hexDigit returns the value of a hexadecimal digit, -1 for anything else.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// codeUnit returns the UTF-16 code unit of the escape \uXXXX that begins at raw[i], -1 if
// none begins there.
func codeUnit(raw []byte, i int) rune {
	if i+6 > len(raw) || raw[i] != '\\' || raw[i+1] != 'u' {
		return -1
	}
	unit := 0
	for _, c := range raw[i+2 : i+6] {
		unit = unit<<4 | hexDigit(c)
	}
	return rune(unit)
}

// escapedRune returns the character of the escape that begins at raw[i] and how many bytes it
// takes; size 0 means a lone surrogate. The form of the escape was checked before.
func escapedRune(raw []byte, i int) (r rune, size int) {
	switch c := raw[i+1]; c {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
	default:
		return rune(c), 2
	}
	r = codeUnit(raw, i)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if r = utf16.DecodeRune(r, codeUnit(raw, i+6)); r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

// unescape returns the text of a string with escapes and without lone surrogates.
func unescape(raw []byte) string {
	plain := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			plain = append(plain, raw[i])
			i++
			continue
		}
		r, size := escapedRune(raw, i)
		plain = utf8.AppendRune(plain, r)
		i += size
	}
	return alias(plain)
}

// loneSurrogate returns the offset of the first lone surrogate of a string with escapes, -1
// if there is none. It allocates nothing.
func loneSurrogate(raw []byte) int {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			i++
			continue
		}
		_, size := escapedRune(raw, i)
		if size == 0 {
			return i
		}
		i += size
	}
	return -1
}

// meaningless returns why a scanned string says nothing, empty if it does say something.
func (s *scanner) meaningless(q quoted) (reason string, where int) {
	raw := s.text[q.from:q.to]
	if q.high && !utf8.Valid(raw) {
		return UnreadableInvalidUTF8, q.from
	}
	if q.escaped {
		if bad := loneSurrogate(raw); bad >= 0 {
			return UnreadableLoneSurrogate, q.from + bad
		}
	}
	return "", 0
}

// isUUID reports whether the certifier's store takes the text as a UUID: 32 hexadecimal
// digits, or these with hyphens, in braces, or after urn:uuid:.
func isUUID(text string) bool {
	switch len(text) {
	case 32:
		return allHex(text)
	case 38:
		if text[0] != '{' || text[37] != '}' {
			return false
		}
		text = text[1:37]
	case 45:
		if text[:9] != "urn:uuid:" {
			return false
		}
		text = text[9:]
	case 36:
	default:
		return false
	}
	return text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' &&
		allHex(text[:8]) && allHex(text[9:13]) && allHex(text[14:18]) && allHex(text[19:23]) && allHex(text[24:])
}

func allHex(text string) bool {
	for i := range len(text) {
		if hexDigit(text[i]) < 0 {
			return false
		}
	}
	return true
}
