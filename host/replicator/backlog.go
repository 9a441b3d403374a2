package replicator

import (
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/ring"
)

// backlog is the versions that wait to be converted, in version order but for those that are tried
// again. Each stands in one of the two: with its payload, or waiting for it.
type backlog struct {
	ready           ring.Ring[*queue.Entry]
	awaitingPayload ring.Ring[*queue.Entry] // let go, and not asked for yet
}

func (b *backlog) push(e *queue.Entry) {
	if e.Candidate == nil {
		b.awaitingPayload.Push(e)
		return
	}
	b.ready.Push(e)
}
