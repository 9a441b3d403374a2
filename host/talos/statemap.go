package talos

// statemap reads the statemap of a candidate: an absent one, null and an empty list hold no
// items. The certifier passes over it as over a field that it does not know, so only its
// syntax can make a candidate refused; what has no meaning is noted.
func (r *candidateReader) statemap() bool {
	r.field = "statemap"
	first := r.peek()
	if r.seen&hasStatemap != 0 {
		r.notes.unreadable = &Unreadable{Reason: UnreadableTwice, Where: r.at}
		return r.skip(1, nil)
	}
	r.seen |= hasStatemap
	switch first {
	case '[':
		return r.items()
	case 'n':
		return r.literal("null")
	}
	start := r.at
	if !r.skip(1, nil) {
		return false
	}
	r.notes.add(UnreadableNotAList, start)
	return true
}

// maxItems bounds what a statemap's list takes in memory: a record of 100 kB can unpack to tens of millions.
const maxItems = 1 << 19

// items reads the list of a statemap.
func (r *candidateReader) items() bool {
	var few [4]Item
	items := few[:0]
	for range r.elements() {
		if r.peek() != '{' {
			r.notes.add(UnreadableElementNotAnObject, r.at)
			if !r.skip(2, &r.notes) {
				return false
			}
			continue
		}
		var item Item
		start := r.at
		if !r.item(&item) {
			return false
		}
		if len(items) == maxItems {
			r.notes.add(UnreadableTooManyItems, start)
			continue
		}
		items = append(items, item)
	}
	if len(items) > 0 {
		r.into.Items = make([]Item, len(items))
		copy(r.into.Items, items)
	}
	return r.refused == nil
}

// item reads one element, an object that should have one key: the action.
func (r *candidateReader) item(into *Item) bool {
	start := r.at
	filled, ok := r.begin('{')
	if !filled {
		r.notes.add(UnreadableNoKey, start)
		return ok
	}
	for keys := 1; filled && ok; keys++ {
		r.peek()
		if keys > 1 {
			r.notes.add(UnreadableSeveralKeys, r.at)
		}
		if !r.action(&into.Action) {
			return false
		}
		r.peek()
		from := r.at
		if !r.skip(3, &r.notes) {
			return false
		}
		into.Payload = r.text[from:r.at:r.at]
		filled, ok = r.more('}')
	}
	return ok
}

// action reads the key of an element. Unlike the names of fields it may be without a meaning.
func (r *candidateReader) action(into *string) bool {
	q, ok := r.quotedAt()
	if !ok {
		return false
	}
	if reason, where := r.meaningless(q); reason != "" {
		r.notes.add(reason, where)
	} else {
		*into = r.string(q)
	}
	return r.take(':')
}
