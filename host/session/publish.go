package session

import (
	"context"
	"log/slog"
	"time"

	"github.com/ichor-replicator/ichor/host/crash"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// besides is the goroutine that does with the log what is not reading on: it reads payloads again,
// publishes the resume point and asks whether the topic is compacted by now.
func (s *Session) besides() {
	policy := time.NewTicker(s.PolicyEvery)
	defer policy.Stop()
	for {
		select {
		case <-policy.C:
			s.checkPolicy()
		case <-s.life.Done():
			return
		case a := <-s.refetch:
			s.fetchAgain(a)
		case p := <-s.publish:
			s.publishOffset(p)
		}
	}
}

// checkPolicy stops the session when the brokers began to take records out of the topic's middle.
func (s *Session) checkPolicy() {
	_, err := s.Source.Facts(s.life)
	if kafka.ClassOf(err) == kafka.ClassCompacted {
		s.lost(err)
	}
}

func (s *Session) publishOffset(p talos.Position) {
	crash.At("before-publish")
	ctx, cancel := context.WithTimeout(s.life, 5*time.Second)
	defer cancel()
	err := s.Source.Publish(ctx, p)
	if err != nil && s.life.Err() == nil {
		s.asides.Say(status.Now(), slog.LevelWarn, "the group's offset was not published; it is only for others to see", "position", p, "error", err)
	}
}
