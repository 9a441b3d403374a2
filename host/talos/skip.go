package talos

// nest remembers for each open bracket whether it is an object's. Its first levels lie inside
// it, so that the values of an ordinary record allocate nothing.
type nest struct {
	depth int
	near  [4]uint64
	far   []uint64
}

const nestNear = 64 * 4

func (n *nest) word(level int) *uint64 {
	if level < nestNear {
		return &n.near[level/64]
	}
	i := (level - nestNear) / 64
	if i == len(n.far) {
		n.far = append(n.far, 0)
	}
	return &n.far[i]
}

func (n *nest) push(object bool) {
	word, bit := n.word(n.depth), uint64(1)<<(n.depth%64)
	*word &^= bit
	if object {
		*word |= bit
	}
	n.depth++
}

func (n *nest) inObject() bool {
	return *n.word(n.depth - 1)>>((n.depth-1)%64)&1 == 1
}

// notes collects the first reason why a value has no meaning although its syntax is right.
// The certifier accepts such a value where it does not read it.
type notes struct {
	unreadable *Unreadable
}

func (n *notes) add(reason string, where int) {
	if n.unreadable == nil {
		n.unreadable = &Unreadable{Reason: reason, Where: where}
	}
}

// maxDepth is how many brackets may be open at once in a record whose statemap has a meaning,
// those of the record and of the statemap counted in.
const maxDepth = 128

// skip passes over one value, however deep, and refuses it if its syntax is wrong. With notes
// it also notes strings without a meaning and nesting beyond maxDepth; depth is then the
// number of brackets open around the value.
func (s *scanner) skip(depth int, n *notes) bool {
	s.open.depth = 0
	for {
		opened, ok := s.valueOrOpen(depth, n)
		if !ok {
			return false
		}
		if opened {
			continue
		}
		done, ok := s.afterValue(n)
		if !ok || done {
			return ok
		}
	}
}

// valueOrOpen passes over a scalar or an empty container, or opens a container up to its
// first value, which is to be read next.
func (s *scanner) valueOrOpen(depth int, n *notes) (opened, ok bool) {
	switch c := s.peek(); {
	case c == '"':
		return false, s.skipString(n)
	case c == '{' || c == '[':
		s.at++
		s.open.push(c == '{')
		if n != nil && depth+s.open.depth > maxDepth {
			n.add(UnreadableTooDeep, s.at-1)
		}
		if s.peek() == c+2 { // both closing brackets lie two after their opening ones
			s.at++
			s.open.depth--
			return false, true
		}
		if c == '{' {
			return true, s.skipKey(n)
		}
		return true, true
	case c == '-' || '0' <= c && c <= '9':
		_, ok := s.number()
		return false, ok
	case c == 't':
		return false, s.literal("true")
	case c == 'f':
		return false, s.literal("false")
	case c == 'n':
		return false, s.literal("null")
	}
	return false, s.unexpected()
}

// afterValue closes what ends after a value, up to the next value or the end of the whole.
func (s *scanner) afterValue(n *notes) (done, ok bool) {
	for s.open.depth > 0 {
		object := s.open.inObject()
		closing := byte(']')
		if object {
			closing = '}'
		}
		again, ok := s.more(closing)
		if !ok {
			return false, false
		}
		if again {
			return false, !object || s.skipKey(n)
		}
		s.open.depth--
	}
	return true, true
}

func (s *scanner) skipKey(n *notes) bool { return s.skipString(n) && s.take(':') }

func (s *scanner) skipString(n *notes) bool {
	q, ok := s.quotedAt()
	if ok && n != nil && n.unreadable == nil && (q.escaped || q.high) {
		if reason, where := s.meaningless(q); reason != "" {
			n.add(reason, where)
		}
	}
	return ok
}
