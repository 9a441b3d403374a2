package kafka

import (
	"cmp"
	"slices"
)

// abortedRange is one aborted transaction that overlaps a fetch answer: the records of
// producer from first on, up to its abort marker, are not to be read.
type abortedRange struct {
	producer int64
	first    int64
}

// abortedTransactions follows which producers' records are aborted while the batches of one answer
// are passed in order of offset. The broker names the transactions, the log their ends.
type abortedTransactions struct {
	ahead []abortedRange // sorted by first, not yet reached
	now   map[int64]struct{}
}

func newAbortedTransactions(ranges []abortedRange) abortedTransactions {
	slices.SortFunc(ranges, func(a, b abortedRange) int { return cmp.Compare(a.first, b.first) })
	return abortedTransactions{ahead: ranges, now: map[int64]struct{}{}}
}

// reach adds the transactions that begin at or below the offset last to those that are aborted now.
func (a *abortedTransactions) reach(last int64) {
	for len(a.ahead) > 0 && a.ahead[0].first <= last {
		a.now[a.ahead[0].producer] = struct{}{}
		a.ahead = a.ahead[1:]
	}
}

// covers reports whether the records of this transactional batch are aborted.
func (a *abortedTransactions) covers(producer int64) bool {
	_, aborted := a.now[producer]
	return aborted
}

// end takes note of an abort marker: what the producer sends behind it belongs to another
// transaction.
func (a *abortedTransactions) end(producer int64) { delete(a.now, producer) }
