package queue

// Heap is entries by version, the lowest on top. The zero value is empty.
type Heap struct{ items []*Entry }

// Len returns how many entries it has.
func (h *Heap) Len() int { return len(h.items) }

// Push adds an entry.
func (h *Heap) Push(e *Entry) {
	h.items = append(h.items, e)
	i := len(h.items) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(i, parent) {
			break
		}
		h.items[i], h.items[parent] = h.items[parent], h.items[i]
		i = parent
	}
}

// Top returns the lowest, or nil when there is none.
func (h *Heap) Top() *Entry {
	if len(h.items) == 0 {
		return nil
	}
	return h.items[0]
}

// Pop takes the lowest off. It panics when there is none.
func (h *Heap) Pop() *Entry {
	e := h.items[0]
	last := len(h.items) - 1
	h.items[0] = h.items[last]
	h.items[last] = nil
	h.items = h.items[:last]
	for i := 0; ; {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < last && h.less(child, least) {
				least = child
			}
		}
		if least == i {
			return e
		}
		h.items[i], h.items[least] = h.items[least], h.items[i]
		i = least
	}
}

func (h *Heap) less(i, j int) bool { return h.items[i].Version < h.items[j].Version }
