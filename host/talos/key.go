package talos

import "slices"

// Key stands for one key of a read or write set: the upper 63 bits are a hash of its text,
// the lowest bit says that the transaction writes it. Two keys of the same text always have
// the same hash; two of different text may, which makes versions wait that need not.
type Key uint64

const keyWrites Key = 1

// Writes reports whether the transaction writes the key.
func (k Key) Writes() bool { return k&keyWrites != 0 }

// Hash returns the key without the access bit: equal for a reader and a writer.
func (k Key) Hash() uint64 { return uint64(k &^ keyWrites) }

// Keys returns the keys of a read and a write set in ascending order, each text once; a key
// that is read and written counts as written.
func Keys(readSet, writeSet []string) []Key {
	if len(readSet)+len(writeSet) == 0 {
		return nil
	}
	keys := make([]Key, 0, len(readSet)+len(writeSet))
	for _, text := range writeSet {
		keys = append(keys, hashKey(text)|keyWrites)
	}
	for _, text := range readSet {
		keys = append(keys, hashKey(text))
	}
	slices.Sort(keys)
	// A key that is read and written stands twice now, the reader first: keep the writer.
	kept := keys[:0]
	for i, k := range keys {
		if i+1 < len(keys) && keys[i+1].Hash() == k.Hash() {
			continue
		}
		kept = append(kept, k)
	}
	if len(kept) < len(keys) {
		return slices.Clone(kept) // and not a large array of which little is used
	}
	return kept
}

// hashKey is FNV-1a with its bits mixed once more, without the access bit.
func hashKey(text string) Key {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	h ^= h >> 32
	h *= 0x9e3779b97f4a7c15
	return Key(h) &^ keyWrites
}
