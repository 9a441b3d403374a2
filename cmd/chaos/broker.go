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
	addr string
}

// startBroker starts this program once more, as a broker, and waits until it listens.
func startBroker(ctx context.Context, dir string) (*brokerProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := hosttest.FreeAddress()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	p, err := hosttest.Launch(filepath.Join(dir, "broker.log"), self, brokerVerb, port, filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	b := &brokerProcess{p, addr}
	for dialer := (&net.Dialer{Timeout: time.Second}); ; {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err == nil {
			return b, conn.Close()
		}
		if err := p.Check(); err != nil {
			return nil, fmt.Errorf("start a broker: %w", err)
		}
		if err := hosttest.Sleep(ctx, 20*time.Millisecond); err != nil {
			p.Kill()
			return nil, err
		}
	}
}
