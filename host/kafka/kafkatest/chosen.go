package kafkatest

import (
	"errors"
	"os"
	"testing"
)

// Chosen starts the broker that the environment variable ICHOR_KAFKA asks for: embedded (also
// when it is not set) or apache. It is stopped when the test ends. Where Apache Kafka's tools
// are missing the test is skipped, but with CI set it fails.
func Chosen(tb testing.TB) *Broker {
	tb.Helper()
	var b *Broker
	var err error
	switch kind := os.Getenv("ICHOR_KAFKA"); kind {
	case "", "embedded":
		b, err = StartEmbedded(EmbeddedOptions{})
	case "apache":
		b, err = StartApache(tb.Context())
	default:
		tb.Fatalf("ICHOR_KAFKA=%s is neither embedded nor apache", kind)
	}
	var missing *MissingError
	if errors.As(err, &missing) && os.Getenv("CI") == "" {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return b
}
