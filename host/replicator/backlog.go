package replicator

import "github.com/ichor-replicator/ichor/host/queue"

// backlog is the versions that wait to be converted, in version order, also those that are tried again:
// so the frontier is on top of the one that it stands in, and what waits for memory never stands in the
// way of the version that makes room. Each stands in one of the two: with its payload, or waiting for it.
type backlog struct {
	ready           queue.Heap
	awaitingPayload queue.Heap // let go, and not asked for yet
}

func (b *backlog) push(e *queue.Entry) {
	if e.Candidate == nil {
		b.awaitingPayload.Push(e)
		return
	}
	b.ready.Push(e)
}
