package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// EmbeddedOptions say how a broker in this process is started.
type EmbeddedOptions struct {
	// Listener is the one kind of listener that it has; empty is Plain.
	Listener Listener
	// Ports are fixed ports, one for each broker of the cluster; without any it is one broker at any free
	// port. Restart keeps the ports either way.
	Ports []int
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
	if len(o.Ports) == 0 {
		ports, err := freePorts(1)
		if err != nil {
			return nil, err
		}
		e.options.Ports = ports
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
	nodes       []*node // as many as there are ports
}

func (e *embedded) start(context.Context) error {
	opts := []kfake.Opt{
		kfake.Ports(e.options.Ports...),
		kfake.ListenFn(e.listen),
		kfake.DataDir(e.options.DataDir),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(LargestMessage)}),
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
	e.nodes = nil
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	e.cluster = cluster
	// An answer that ends because the request wants no more bytes lacks the list of aborted transactions, so that their records were read.
	// One that ends because the partition's part may have no more has it.
	cluster.ControlKey(fetchKey, func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		request.(*kmsg.FetchRequest).MaxBytes = math.MaxInt32
		return nil, nil, false
	})
	return nil
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
	return e.host(0)
}

// host returns host:port of a node.
func (e *embedded) host(number int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(e.options.Ports[number]))
}
