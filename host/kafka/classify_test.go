package kafka

import (
	"context"
	"errors"
	"fmt"
	"testing"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

func TestClassify(t *testing.T) {
	l := &Log{opts: Options{Topic: "t"}}
	for _, c := range []struct {
		err  error
		want Class
	}{
		{nil, ClassNone},
		{errors.New("anything"), ClassTransient},
		{context.DeadlineExceeded, ClassTransient}, // of the request, not of the caller
		{fmt.Errorf("wrapped: %w", kafkago.SASLAuthenticationFailed), ClassRefused},
		{kafkago.UnsupportedSASLMechanism, ClassRefused},
		{kafkago.TopicAuthorizationFailed, ClassRefused},
		{kafkago.GroupAuthorizationFailed, ClassRefused},
		{kafkago.UnknownTopicOrPartition, ClassMissingTopic},
		{protocol.NewErrNoTopic("t"), ClassMissingTopic},
		{protocol.NewErrNoLeader("t", 0), ClassTransient},
		{kafkago.NotLeaderForPartition, ClassTransient},
		{kafkago.OffsetOutOfRange, ClassTransient},
		{fmt.Errorf("wrapped: %w", &CorruptError{}), ClassCorrupt},
		{&TruncatedError{}, ClassTruncated},
	} {
		if got := ClassOf(l.classify(t.Context(), c.err)); got != c.want {
			t.Errorf("%v is %q, want %q", c.err, got, c.want)
		}
	}
	why := errors.New("why")
	ctx, stop := context.WithCancelCause(t.Context())
	stop(why)
	if got := l.classify(ctx, errors.New("anything")); !errors.Is(got, why) {
		t.Errorf("%v, want the context's cause", got)
	}
}

func TestRetryable(t *testing.T) {
	for class, want := range map[Class]bool{
		ClassNone: false, ClassTruncated: false, ClassDiverged: false, ClassPartitions: false,
		ClassMissingTopic: true, ClassRefused: true, ClassCorrupt: true, ClassTransient: true,
	} {
		if class.Retryable() != want {
			t.Errorf("%q: %t", class, !want)
		}
	}
}
