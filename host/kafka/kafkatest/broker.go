// Package kafkatest starts brokers for tests, the demo and the benchmarks: one in this
// process, or a real Apache Kafka, behind the same type. It makes topics, produces to
// them and plays recorded logs. The host does not import it, and it shares no client
// library with the host, so that neither hides the other's mistakes.
package kafkatest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Listener is a kind of address that a broker listens on.
type Listener string

// The kinds of listeners. An embedded broker has the one it was started with, Apache
// Kafka has all three.
const (
	Plain Listener = "plain"
	SASL  Listener = "sasl" // PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512, no TLS
	TLS   Listener = "tls"  // TLS without SASL
)

// The one user that every SASL listener knows, in each mechanism.
const (
	User     = "alice"
	Password = "secret"
)

// LargestMessage is the size of record that the brokers are set up to take.
const LargestMessage = 64 << 20

// Broker is a running broker. Its methods may be called from one goroutine at a time.
type Broker struct {
	kind   string
	server server
	// authority is the PEM file of the authority that signed the TLS listener's certificate.
	authority string

	once   sync.Once
	client *kgo.Client
	err    error
}

// server is what differs between the embedded broker and the real one.
type server interface {
	start(ctx context.Context) error // also again after halt, with the same data and ports
	halt() error                     // keeps the data
	remove() error                   // after halt
	addr(Listener) string
}

// Kind returns "embedded" or "apache".
func (b *Broker) Kind() string { return b.kind }

// Addr returns host:port of a listener, empty when the broker has none of that kind.
func (b *Broker) Addr(l Listener) string { return b.server.addr(l) }

// CAFile returns the PEM file to check the TLS listener's certificate with. The
// certificate is for 127.0.0.1 and localhost.
func (b *Broker) CAFile() string { return b.authority }

// Restart stops the broker and starts it again with the same data and addresses.
func (b *Broker) Restart(ctx context.Context) error {
	if err := b.server.halt(); err != nil {
		return fmt.Errorf("stop the broker: %w", err)
	}
	if err := b.server.start(ctx); err != nil {
		return fmt.Errorf("start the broker again: %w", err)
	}
	return nil
}

// Halt stops the broker and keeps its data, for Resume.
func (b *Broker) Halt() error { return b.server.halt() }

// Resume starts a halted broker again.
func (b *Broker) Resume(ctx context.Context) error { return b.server.start(ctx) }

// Stop ends the broker and removes what it wrote.
func (b *Broker) Stop() error {
	if b.client != nil {
		b.client.Close()
	}
	if err := b.server.halt(); err != nil {
		return err
	}
	return b.server.remove()
}

// options returns how this package's own client connects.
func (b *Broker) options() ([]kgo.Opt, error) {
	for _, l := range []Listener{Plain, TLS, SASL} {
		addr := b.Addr(l)
		if addr == "" {
			continue
		}
		opts := []kgo.Opt{kgo.SeedBrokers(addr)}
		switch l {
		case TLS:
			pool, err := readAuthority(b.authority)
			if err != nil {
				return nil, err
			}
			opts = append(opts, kgo.DialTLSConfig(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}))
		case SASL:
			opts = append(opts, kgo.SASL(scram.Auth{User: User, Pass: Password}.AsSha256Mechanism()))
		}
		return opts, nil
	}
	return nil, fmt.Errorf("the %s broker has no listener", b.kind)
}

// newClient returns a client of this package's with extra options.
func (b *Broker) newClient(extra ...kgo.Opt) (*kgo.Client, error) {
	opts, err := b.options()
	if err != nil {
		return nil, err
	}
	// A topic made a moment ago is asked for again soon, not after the client's five seconds.
	opts = append(opts, kgo.MetadataMinAge(pollInterval))
	return kgo.NewClient(append(opts, extra...)...)
}

// admin returns the client for all but producing.
func (b *Broker) admin() (*kadm.Client, error) {
	b.once.Do(func() { b.client, b.err = b.newClient() })
	if b.err != nil {
		return nil, b.err
	}
	return kadm.NewClient(b.client), nil
}

// freePorts returns n different loopback ports that were free a moment ago.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
