package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

// EmbeddedOptions say how a broker in this process is started.
type EmbeddedOptions struct {
	// Listener is the one kind of listener that it has; empty is Plain.
	Listener Listener
	// Port is a fixed port, 0 for any free one. Restart keeps the port either way.
	Port int
	// DataDir keeps the log on disk and is left behind by Stop. Empty keeps it in a
	// temporary directory that Stop removes.
	DataDir string
	// SyncWrites makes every batch durable before it is acknowledged.
	SyncWrites bool
	// Wrap stands between the broker and each client that connects, as a bad network would;
	// nil is a good one.
	Wrap func(net.Conn) net.Conn
}

// StartEmbedded starts a broker in this process that speaks the Kafka protocol over TCP on
// the loopback interface. It is up when this returns.
func StartEmbedded(o EmbeddedOptions) (*Broker, error) {
	e := &embedded{options: o}
	if o.Listener == "" {
		e.options.Listener = Plain
	}
	if o.Port == 0 {
		ports, err := freePorts(1)
		if err != nil {
			return nil, err
		}
		e.options.Port = ports[0]
	}
	dir, err := newDirectory()
	if err != nil {
		return nil, err
	}
	e.dir = dir
	if o.DataDir == "" {
		e.options.DataDir = dir + "/data"
	}
	b := &Broker{kind: "embedded", server: e}
	if e.options.Listener == TLS {
		if e.certificate, err = newCertificate(dir); err != nil {
			return nil, errors.Join(err, e.remove())
		}
		b.authority = e.certificate.authority
	}
	if err := e.start(context.Background()); err != nil {
		return nil, errors.Join(err, e.remove())
	}
	return b, nil
}

// embedded is kfake.
type embedded struct {
	options     EmbeddedOptions
	dir         string
	certificate *certificate
	cluster     *kfake.Cluster
}

func (e *embedded) start(context.Context) error {
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.Ports(e.options.Port),
		kfake.DataDir(e.options.DataDir),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(LargestMessage)}),
	}
	if e.options.Wrap != nil {
		opts = append(opts, kfake.ListenFn(e.listen))
	}
	if e.options.SyncWrites {
		opts = append(opts, kfake.SyncWrites())
	}
	switch e.options.Listener {
	case SASL:
		opts = append(opts, kfake.EnableSASL())
		for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
			opts = append(opts, kfake.Superuser(mechanism, User, Password))
		}
	case TLS:
		config, err := e.certificate.server()
		if err != nil {
			return err
		}
		opts = append(opts, kfake.TLS(config))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	e.cluster = cluster
	return nil
}

// listen returns a listener whose connections go through Wrap.
func (e *embedded) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return &wrapped{Listener: l, wrap: e.options.Wrap}, nil
}

type wrapped struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

// Accept implements net.Listener.
func (w *wrapped) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return w.wrap(c), nil
}

func (e *embedded) halt() error {
	if e.cluster != nil {
		e.cluster.Close()
		e.cluster = nil
	}
	return nil
}

func (e *embedded) remove() error { return os.RemoveAll(e.dir) }

func (e *embedded) addr(l Listener) string {
	if l != e.options.Listener {
		return ""
	}
	return "127.0.0.1:" + strconv.Itoa(e.options.Port)
}
