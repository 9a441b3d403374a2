// Package ring is a double-ended queue in one growing array, for sequences that are appended
// at the back, taken from the front and searched by binary search in between.
package ring

// Ring holds its elements in the order they were pushed. The zero value is empty and ready
// for use. It is not safe for use by several goroutines.
type Ring[T any] struct {
	slots []T // length is a power of two, or zero
	front int
	n     int
}

// Len returns how many elements the ring holds.
func (r *Ring[T]) Len() int { return r.n }

// At returns the i-th element from the front. It panics unless 0 ≤ i < Len.
func (r *Ring[T]) At(i int) T {
	if i < 0 || i >= r.n {
		panic("ring: index out of range")
	}
	return r.slots[(r.front+i)&(len(r.slots)-1)]
}

// Push appends v at the back.
func (r *Ring[T]) Push(v T) {
	if r.n == len(r.slots) {
		r.resize(max(2*r.n, 16))
	}
	r.slots[(r.front+r.n)&(len(r.slots)-1)] = v
	r.n++
}

// Pop takes the front element off. It panics when the ring is empty.
func (r *Ring[T]) Pop() T {
	v := r.At(0)
	var none T
	r.slots[r.front] = none
	r.front = (r.front + 1) & (len(r.slots) - 1)
	r.n--
	// A backlog that is over gives its memory back.
	if len(r.slots) > 1024 && r.n < len(r.slots)/8 {
		r.resize(len(r.slots) / 4)
	}
	return v
}

// Search returns the smallest i for which at(element) is true, or Len if there is none; at
// must be false for a prefix of the ring and true for the rest.
func (r *Ring[T]) Search(at func(T) bool) int {
	lo, hi := 0, r.n
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if at(r.At(mid)) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

func (r *Ring[T]) resize(capacity int) {
	slots := make([]T, capacity)
	for i := range r.n {
		slots[i] = r.At(i)
	}
	r.slots, r.front = slots, 0
}
