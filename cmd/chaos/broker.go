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
	moveLeader  = syscall.SIGUSR1  // of the topic, to the next broker
	turnFirst   = syscall.SIGUSR2  // take the first broker away, or bring it back
	slowFetches = syscall.SIGHUP   // answer fetches late, or no more so
	hangFetches = syscall.SIGALRM  // answer no fetch, or all that wait
	cutFetches  = syscall.SIGWINCH // end in the middle of answers to fetches, or no more so
)

// A fetch takes at least and at most so long while fetches are slow.
const quickFetch, slowFetch = 500 * time.Millisecond, 3 * time.Second

// cluster is the brokers and what was asked of them.
type cluster struct {
	*kafkatest.Broker
	network           kafkatest.Network
	away              bool // the first broker is
	slow, hangs, cuts bool // fetches are
}

// beBroker is a cluster of a broker at each port until the context ends.
func beBroker(ctx context.Context, dir string, ports []string) error {
	asked := make(chan os.Signal, 16)
	signal.Notify(asked, moveLeader, turnFirst, slowFetches, hangFetches, cutFetches)
	defer signal.Stop(asked)
	c := &cluster{}
	o := kafkatest.EmbeddedOptions{DataDir: dir, SyncWrites: true, Wrap: c.network.Wrap}
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
	c.Broker = b
	for {
		select {
		case <-ctx.Done():
			return b.Stop()
		case what := <-asked:
			if err := c.carriesOut(what); err != nil {
				return errors.Join(err, b.Stop())
			}
		}
	}
}

// carriesOut does what was asked for.
func (c *cluster) carriesOut(what os.Signal) error {
	switch what {
	case moveLeader:
		return c.MoveLeader(topic)
	case turnFirst:
		c.away = !c.away
		if c.away {
			return c.StopNode(0)
		}
		return c.StartNode(0)
	case slowFetches:
		c.slow = !c.slow
		if c.slow {
			c.network.SlowFetches(quickFetch, slowFetch)
		} else {
			c.network.SlowFetches(0, 0)
		}
	case hangFetches:
		c.hangs = !c.hangs
		c.network.HangFetches(c.hangs)
	case cutFetches:
		c.cuts = !c.cuts
		c.network.CutFetches(c.cuts)
	}
	return nil
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
