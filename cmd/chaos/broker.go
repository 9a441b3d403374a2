package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

// beBroker is a broker at a port until the context ends.
func beBroker(ctx context.Context, port, dir string) error {
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	b, err := kafkatest.StartEmbedded(kafkatest.EmbeddedOptions{Port: number, DataDir: dir, SyncWrites: true})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return b.Stop()
}

// brokerProcess is a broker in a process of its own, which can be frozen.
type brokerProcess struct {
	*hosttest.Process
	dir, addr string
}

// startBroker starts this program once more, as a broker.
func startBroker(ctx context.Context, dir string) (*brokerProcess, error) {
	addr, err := hosttest.FreeAddress()
	if err != nil {
		return nil, err
	}
	b := &brokerProcess{dir: dir, addr: addr}
	return b, b.again(ctx)
}

// again starts the broker, at its address and on its data, and waits until it listens.
func (b *brokerProcess) again(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(b.addr)
	if err != nil {
		return err
	}
	b.Process, err = hosttest.Launch(filepath.Join(b.dir, "broker.log"), self, brokerVerb, port, filepath.Join(b.dir, "log"))
	if err != nil {
		return err
	}
	for dialer := (&net.Dialer{Timeout: time.Second}); ; {
		conn, err := dialer.DialContext(ctx, "tcp", b.addr)
		if err == nil {
			return conn.Close()
		}
		if err := b.Check(); err != nil {
			return fmt.Errorf("start a broker: %w", err)
		}
		if err := hosttest.Sleep(ctx, 20*time.Millisecond); err != nil {
			b.Kill()
			return err
		}
	}
}
