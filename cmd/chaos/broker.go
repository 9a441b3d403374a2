package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

// What the driver asks of its brokers, by a signal.
const (
	moveLeader = syscall.SIGUSR1 // of the topic, to the next broker
	turnFirst  = syscall.SIGUSR2 // take the first broker away, or bring it back
)

// beBroker is a cluster of a broker at each port until the context ends.
func beBroker(ctx context.Context, dir string, ports []string) error {
	asked := make(chan os.Signal, 16)
	signal.Notify(asked, moveLeader, turnFirst)
	defer signal.Stop(asked)
	o := kafkatest.EmbeddedOptions{DataDir: dir, SyncWrites: true}
	for _, port := range ports {
		number, err := strconv.Atoi(port)
		if err != nil {
			return err
		}
		o.Ports = append(o.Ports, number)
	}
	b, err := kafkatest.StartEmbedded(o)
	if err != nil {
		return err
	}
	for away := false; ; {
		select {
		case <-ctx.Done():
			return b.Stop()
		case what := <-asked:
			switch {
			case what == moveLeader:
				err = b.MoveLeader(topic)
			case away:
				away, err = false, b.StartNode(0)
			default:
				away, err = true, b.StopNode(0)
			}
			if err != nil {
				return errors.Join(err, b.Stop())
			}
		}
	}
}

// brokers is how many there are: one that the hosts are told of, and others.
const brokers = 3

// brokerProcess is a cluster of brokers in a process of its own, which can be frozen.
type brokerProcess struct {
	*hosttest.Process
	dir   string
	ports []string
	first string // the address that hosts are told, and the only one: the others they learn of
	other string // the driver's own way, where the first is away
}

// startBroker starts this program once more, as brokers.
func startBroker(ctx context.Context, dir string) (*brokerProcess, error) {
	b := &brokerProcess{dir: dir}
	for range brokers {
		addr, err := hosttest.FreeAddress()
		if err != nil {
			return nil, err
		}
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		b.ports, b.first, b.other = append(b.ports, port), cmp.Or(b.first, addr), addr
	}
	return b, b.again(ctx)
}

// again starts the brokers, at their addresses and on their data, and waits until they listen.
func (b *brokerProcess) again(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := append([]string{brokerVerb, filepath.Join(b.dir, "log")}, b.ports...)
	b.Process, err = hosttest.Launch(filepath.Join(b.dir, "broker.log"), self, args...)
	if err != nil {
		return err
	}
	for _, addr := range []string{b.first, b.other} {
		if err := b.listens(ctx, addr, true); err != nil {
			b.Kill()
			return fmt.Errorf("start brokers: %w", err)
		}
	}
	return nil
}

// listens waits until something listens at one of the addresses, or nothing does any more.
func (b *brokerProcess) listens(ctx context.Context, addr string, wanted bool) error {
	for dialer := (&net.Dialer{Timeout: time.Second}); ; {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = conn.Close() // nothing was said
		}
		if (err == nil) == wanted {
			return nil
		}
		if err := b.Check(); err != nil {
			return err
		}
		if err := hosttest.Sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}
