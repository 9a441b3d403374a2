package talos

import "strconv"

// number passes over a number and returns where it began.
func (s *scanner) number() (start int, ok bool) {
	start = s.at
	if s.text[s.at] == '-' {
		s.at++
	}
	if s.at < len(s.text) && s.text[s.at] == '0' {
		s.at++
		if s.at < len(s.text) && isDigit(s.text[s.at]) {
			return start, s.unexpected()
		}
	} else if !s.digits() {
		return start, false
	}
	if s.at < len(s.text) && s.text[s.at] == '.' {
		s.at++
		if !s.digits() {
			return start, false
		}
	}
	if s.at < len(s.text) && (s.text[s.at] == 'e' || s.text[s.at] == 'E') {
		s.at++
		if s.at < len(s.text) && (s.text[s.at] == '+' || s.text[s.at] == '-') {
			s.at++
		}
		return start, s.digits()
	}
	return start, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (s *scanner) digits() bool {
	if s.at >= len(s.text) || !isDigit(s.text[s.at]) {
		return s.unexpected()
	}
	i := s.at + 1
	for i < len(s.text) && isDigit(s.text[i]) {
		i++
	}
	s.at = i
	return true
}

// integer returns the text of the number at the cursor, refusing fractions and exponents.
func (s *scanner) integer() (text string, start int, ok bool) {
	if c := s.peek(); c != '-' && !isDigit(c) {
		return "", s.at, s.mismatch()
	}
	start, ok = s.number()
	if !ok {
		return "", start, false
	}
	text = alias(s.text[start:s.at])
	for i := range len(text) {
		if c := text[i]; c != '-' && !isDigit(c) {
			return "", start, s.refuse(ReasonBadInteger, start)
		}
	}
	return text, start, true
}

// readUint64 reads a non-negative integer. The certifier's parser takes -0 for a fraction.
func (s *scanner) readUint64(into *uint64) bool {
	text, start, ok := s.integer()
	if !ok {
		return false
	}
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return s.refuse(ReasonBadInteger, start)
	}
	*into = value
	return true
}

// readTime reads nanoseconds since the Unix epoch. The certifier's parser reads 128 bits and
// its save task dies of more than 64, so the second is refused too. Times from 2^63 on, which
// it can save and no clock has sent, become 0: absent.
func (s *scanner) readTime(into *int64) bool {
	text, start, ok := s.integer()
	if !ok {
		return false
	}
	if value, err := strconv.ParseInt(text, 10, 64); err == nil {
		*into = value
		return true
	}
	if _, err := strconv.ParseUint(text, 10, 64); err == nil {
		return true
	}
	if !fits128(text) {
		return s.refuse(ReasonBadInteger, start)
	}
	return s.refuse(ReasonTimeBeyond64Bits, start)
}

// anyInteger passes over an integer of up to 128 bits.
func (s *scanner) anyInteger() bool {
	text, start, ok := s.integer()
	if ok && !fits128(text) {
		return s.refuse(ReasonBadInteger, start)
	}
	return ok
}

// The digits of 2^127, less one above zero.
const (
	max128 = "170141183460469231731687303715884105727"
	min128 = "170141183460469231731687303715884105728"
)

// fits128 reports whether the text of an integer, without leading zeros, is within 128 bits.
func fits128(text string) bool {
	limit := max128
	if text[0] == '-' {
		text, limit = text[1:], min128
	}
	return len(text) < len(limit) || len(text) == len(limit) && text <= limit
}
