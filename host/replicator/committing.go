package replicator

import "github.com/ichor-replicator/ichor/host/talos"

// committing is how far the snapshot and the resume point are durable, and when they must be moved
// next. It keeps the order: rows and snapshot together, then the resume point, then the published
// offset.
type committing struct {
	*step
	reading *reading

	resume     talos.Position // durable
	advancedAt int64          // ns, when it last became so
	flushAt    int64          // ns, when settled versions must reach the snapshot; 0 is no need
	published  talos.Position
	publishAt  int64 // ns, when the resume point is published next; 0 is never
	progressAt int64 // ns, when something that was due last got on
}

// scheduleFlush notes by when the snapshot must pass what has settled without a transaction to carry it.
func (c *committing) scheduleFlush() {
	switch {
	case c.queue.Behind() > 0:
		if c.flushAt == 0 || c.flushAt > c.now+flushDelay {
			c.flushAt = c.now + flushDelay
		}
	case c.queue.ResumeAt(c.reading.beyond()) > c.resume:
		if c.flushAt == 0 {
			c.flushAt = max(c.advancedAt+resumeDelay, c.now)
		}
	default:
		c.flushAt = 0
	}
}

// publish offers the durable resume point for the group's offset, at most once a second.
func (c *committing) publish() {
	if c.resume <= c.published {
		c.publishAt = 0
		return
	}
	if c.publishAt == 0 {
		c.publishAt = c.now + publishDelay
		if c.published < 0 {
			c.publishAt = c.now
		}
	}
	if c.now >= c.publishAt {
		c.published, c.publishAt = c.resume, 0
		c.do(&Publish{Resume: c.resume})
	}
}
