package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// classify turns an error of kafka-go or of the network into one of this package's.
// The caller's own cancellation is returned as it is.
func (l *Log) classify(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case ClassOf(err) != ClassNone:
		return err
	}
	var code kafkago.Error
	if errors.As(err, &code) {
		return l.classifyCode(code)
	}
	if errors.Is(err, protocol.ErrNoTopic) {
		return &MissingTopicError{Topic: l.opts.Topic}
	}
	if l.opts.SASL.Mechanism == SASLNone && hungUp(err) {
		err = fmt.Errorf("%w (a listener that wants SASL or TLS hangs up like this)", err)
	}
	return &TransientError{Cause: err}
}

// classifyCode turns a broker's error code into one of this package's errors.
func (l *Log) classifyCode(code kafkago.Error) error {
	switch code {
	case kafkago.UnknownTopicOrPartition:
		return &MissingTopicError{Topic: l.opts.Topic}
	case kafkago.SASLAuthenticationFailed:
		return &RefusedError{What: "user and password", Cause: code}
	case kafkago.UnsupportedSASLMechanism, kafkago.IllegalSASLState:
		return &RefusedError{What: "the SASL mechanism", Cause: code}
	case kafkago.TopicAuthorizationFailed, kafkago.GroupAuthorizationFailed, kafkago.ClusterAuthorizationFailed:
		return &RefusedError{What: "the user's rights", Cause: code}
	default:
		return &TransientError{Cause: code}
	}
}

// hungUp reports whether the peer closed the connection instead of answering.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
