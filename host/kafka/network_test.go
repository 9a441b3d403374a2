package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// badConn alters a payload on its way to the client while it is armed.
type badConn struct {
	net.Conn
	armed *atomic.Int32
}

const fragile = "fragile payload"

// Write implements net.Conn.
func (c badConn) Write(b []byte) (int, error) {
	if at := bytes.Index(b, []byte(fragile)); at >= 0 && c.armed.Load() > 0 {
		c.armed.Add(-1)
		b = bytes.Clone(b)
		b[at] ^= 1
	}
	return c.Conn.Write(b)
}

// TestAlteredOnTheWire stands for a network whose own checksums miss an error: the record
// must never be delivered as it came.
func TestAlteredOnTheWire(t *testing.T) {
	s := newStage(t, nil)
	var armed atomic.Int32
	b, err := kafkatest.StartEmbedded(kafkatest.EmbeddedOptions{Wrap: func(c net.Conn) net.Conn { return badConn{c, &armed} }})
	s.must(err)
	t.Cleanup(func() { s.must(b.Stop()) })
	s.must(b.CreateTopic(s.ctx, s.topic, 1, nil))
	s.produce(b, "good")
	s.produce(b, fragile)
	log := s.open(b, kafkatest.Plain)

	armed.Store(2)
	first, err := log.Fetch(s.ctx, 0)
	s.must(err)
	s.equal("before the altered batch", fmt.Sprint(len(first.Records), first.Next), "1 1")
	_, err = log.Fetch(s.ctx, 1)
	var corrupt *kafka.CorruptError
	if !errors.As(err, &corrupt) || corrupt.Position != 1 {
		t.Fatal(err)
	}

	armed.Store(3)
	enough := errors.New("enough")
	var troubles int
	err = log.Follow(s.ctx, 1, talos.NoAnchor, func(b kafka.Batch) error {
		s.equal("value", string(b.Records[0].Value), fragile)
		return enough
	}, func(err error) {
		s.equal("class", kafka.ClassOf(err), kafka.ClassCorrupt)
		troubles++
	})
	s.equal("following", err, enough)
	s.equal("troubles", troubles, 3)
}

// halfConn ends in the middle of an answer that has the fragile payload, as long as it is armed.
type halfConn struct {
	net.Conn
	armed *atomic.Int32
	half  func(b []byte) int // how much of it comes through
}

// Write implements net.Conn.
func (c halfConn) Write(b []byte) (int, error) {
	if !bytes.Contains(b, []byte(fragile)) || c.armed.Add(-1) < 0 {
		return c.Conn.Write(b)
	}
	if _, err := c.Conn.Write(b[:c.half(b)]); err != nil {
		return 0, err
	}
	return 0, c.Close()
}

// TestAnswersThatEndInTheMiddle cuts the connection in an answer: what had come of it is no record, following goes on, and
// each record is delivered whole and once.
func TestAnswersThatEndInTheMiddle(t *testing.T) {
	for name, half := range map[string]func([]byte) int{
		"in its size":          func([]byte) int { return 2 },
		"in its head":          func([]byte) int { return 40 },
		"in a record":          func(b []byte) int { return bytes.Index(b, []byte(fragile)) + len(fragile)/2 },
		"before its last byte": func(b []byte) int { return len(b) - 1 },
		"in its first record":  func(b []byte) int { return bytes.Index(b, []byte("before")) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, nil)
			armed := new(atomic.Int32)
			b, err := kafkatest.StartEmbedded(kafkatest.EmbeddedOptions{Wrap: func(c net.Conn) net.Conn { return halfConn{c, armed, half} }})
			s.must(err)
			t.Cleanup(func() { s.must(b.Stop()) })
			s.must(b.CreateTopic(s.ctx, s.topic, 1, nil))
			s.produce(b, "before", fragile, "after")
			log := s.open(b, kafkatest.Plain)
			armed.Store(3)
			enough := errors.New("enough")
			var values []string
			troubles := 0
			err = log.Follow(s.ctx, 0, talos.NoAnchor, func(b kafka.Batch) error {
				for _, r := range b.Records {
					values = append(values, fmt.Sprintf("%d %s", r.Position, r.Value))
				}
				if b.Next == 3 {
					return enough
				}
				return nil
			}, func(err error) {
				s.equal("class", kafka.ClassOf(err), kafka.ClassTransient)
				troubles++
			})
			s.equal("following", err, enough)
			s.equal("delivered", strings.Join(values, ", "), "0 before, 1 "+fragile+", 2 after")
			if troubles == 0 {
				t.Error("no answer was cut")
			}
		})
	}
}

// TestLeaderMoves moves the partition between two brokers under a follower's feet.
func TestLeaderMoves(t *testing.T) {
	s := newStage(t, nil)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(1, s.topic))
	s.must(err)
	t.Cleanup(cluster.Close)
	log, err := kafka.New(kafka.Options{Brokers: cluster.ListenAddrs(), Topic: s.topic, Group: "g", MaxWait: 20 * time.Millisecond, BackoffMin: time.Millisecond}, discard(), nil)
	s.must(err)
	t.Cleanup(log.Close)
	enough := errors.New("enough")
	moves, leader := 0, int32(0)
	err = log.Follow(s.ctx, 0, talos.NoAnchor, func(kafka.Batch) error {
		if moves++; moves == 6 {
			return enough
		}
		leader = 1 - leader
		return cluster.MoveTopicPartition(s.topic, 0, leader)
	}, func(err error) { s.equal("class", kafka.ClassOf(err), kafka.ClassTransient) })
	s.equal("following", err, enough)
	s.must(log.Publish(s.ctx, 5))
}

// TestCoordinatorStillLoading publishes to a broker that has only just started.
func TestCoordinatorStillLoading(t *testing.T) {
	s := newStage(t, nil)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, s.topic))
	s.must(err)
	t.Cleanup(cluster.Close)
	refusals := []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.CoordinatorNotAvailable}
	asked := 0
	cluster.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		asked++
		if asked > len(refusals) {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, rt := range req.(*kmsg.OffsetCommitRequest).Topics {
			p := kmsg.NewOffsetCommitResponseTopicPartition()
			p.ErrorCode = refusals[asked-1].Code
			resp.Topics = append(resp.Topics, kmsg.OffsetCommitResponseTopic{Topic: rt.Topic, Partitions: []kmsg.OffsetCommitResponseTopicPartition{p}})
		}
		return resp, nil, true
	})
	log, err := kafka.New(kafka.Options{Brokers: cluster.ListenAddrs(), Topic: s.topic, Group: "g", BackoffMin: time.Millisecond, BackoffMax: time.Millisecond}, discard(), nil)
	s.must(err)
	t.Cleanup(log.Close)
	s.must(log.Publish(s.ctx, 5))
	got, there, err := log.Published(s.ctx)
	s.must(err)
	s.equal("published", fmt.Sprint(got, there), "5 true")
	s.equal("asked", asked, 4)
}

// silent accepts connections and says nothing.
func silent(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer func() { _ = c.Close() }()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-gone })
	return l.Addr().String()
}

func TestSilentBroker(t *testing.T) {
	s := newStage(t, nil)
	for _, secured := range []bool{false, true} {
		log, err := kafka.New(kafka.Options{Brokers: []string{silent(t)}, Topic: "t", DialTimeout: 50 * time.Millisecond, RequestTimeout: 100 * time.Millisecond, TLS: kafka.TLSOptions{Enabled: secured}}, discard(), nil)
		s.must(err)
		_, err = log.Fetch(s.ctx, 0)
		s.equal("class", kafka.ClassOf(err), kafka.ClassTransient)
		log.Close()
	}
}

// muteConn answers once (the API versions) and then keeps quiet.
type muteConn struct {
	net.Conn
	answers *atomic.Int32
	gone    chan<- struct{}
}

// Write implements net.Conn.
func (c muteConn) Write(b []byte) (int, error) {
	if c.answers.Add(1) > 1 {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// Read implements net.Conn.
func (c muteConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		c.gone <- struct{}{}
	}
	return n, err
}

// TestSilentInSASL gives up a connection on which the password gets no answer.
func TestSilentInSASL(t *testing.T) {
	s := newStage(t, nil)
	gone := make(chan struct{}, 100)
	b, err := kafkatest.StartEmbedded(kafkatest.EmbeddedOptions{Listener: kafkatest.SASL, Wrap: func(c net.Conn) net.Conn {
		return muteConn{c, new(atomic.Int32), gone}
	}})
	s.must(err)
	t.Cleanup(func() { s.must(b.Stop()) })
	log := s.open(b, kafkatest.SASL, withSASL(kafka.SASLPlain, kafkatest.Password), func(o *kafka.Options) { o.DialTimeout = 50 * time.Millisecond })
	_, err = log.Fetch(s.ctx, 0)
	s.equal("class", kafka.ClassOf(err), kafka.ClassTransient)
	select {
	case <-gone: // before the log is closed
	case <-s.ctx.Done():
		t.Fatal("the connection is still open")
	}
}

func TestNoBroker(t *testing.T) {
	s := newStage(t, nil)
	log, err := kafka.New(kafka.Options{Brokers: []string{"127.0.0.1:1"}, Topic: "t", BackoffMin: time.Hour, BackoffMax: time.Hour}, discard(), nil)
	s.must(err)
	defer log.Close()
	// Stopping while it waits for the next attempt.
	ctx, stop := context.WithCancelCause(s.ctx)
	why := errors.New("why")
	err = log.Follow(ctx, 0, talos.NoAnchor, func(kafka.Batch) error { return nil }, func(err error) {
		s.equal("class", kafka.ClassOf(err), kafka.ClassTransient)
		stop(why)
	})
	s.equal("the context's cause", err, why)
}

// TestStopsAtOnce ends followers in the middle of an hour's long poll.
func TestStopsAtOnce(t *testing.T) {
	s := newStage(t, nil)
	b := s.ready()
	patient := func(o *kafka.Options) { o.MaxWait = time.Hour }
	s.produce(b, "0")
	nothing := func(error) {}

	cancelled := s.open(b, kafkatest.Plain, patient)
	ctx, stop := context.WithCancel(s.ctx)
	ended := make(chan error)
	delivered := make(chan struct{})
	follow := func(log *kafka.Log, ctx context.Context) {
		ended <- log.Follow(ctx, 0, talos.NoAnchor, func(kafka.Batch) error { delivered <- struct{}{}; return nil }, nothing)
	}
	go follow(cancelled, ctx)
	<-delivered // now it polls at the end
	stop()
	s.equal("cancelled", <-ended, context.Canceled)

	closed := s.open(b, kafkatest.Plain, patient)
	go follow(closed, s.ctx)
	<-delivered
	closed.Close()
	if err := <-ended; err == nil || kafka.ClassOf(err) != kafka.ClassNone {
		t.Fatalf("closed: %v", err)
	}
}

// TestATopicThatIsMadeAgainWhileNothingReads: no error and no lower end tells, only the last record
// does. The reader is away for a moment, as a process that is stopped, and finds a log that is longer
// than its own was, or one as long that grows later, or one that has no record for it at first.
func TestATopicThatIsMadeAgainWhileNothingReads(t *testing.T) {
	for name, c := range map[string]struct {
		before, after int  // records of the other log: when the reader is back, and later
		aborted       bool // those of the other log
	}{
		"longer":                 {before: 10},
		"as long, and grows":     {before: 3, after: 7},
		"longer by what is void": {before: 10, aborted: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, nil)
			b := s.ready()
			s.produce(b, "ours", "ours", "ours")
			log := s.open(b, kafkatest.Plain, func(o *kafka.Options) { o.MaxWait = 20 * time.Millisecond })
			grown := make(chan error, 1)
			away := false
			err := log.Follow(s.ctx, 0, talos.NoAnchor, func(batch kafka.Batch) error {
				for _, r := range batch.Records {
					s.equal("value", string(r.Value), "ours")
				}
				switch {
				case batch.Next == 3 && !away:
					away = true
					s.must(b.DeleteTopic(s.ctx, s.topic))
					s.must(b.CreateTopic(s.ctx, s.topic, 1, nil))
					s.fill(b, c.before, c.aborted)
					time.Sleep(50 * time.Millisecond)
					go func() {
						time.Sleep(100 * time.Millisecond)
						var err error
						if c.after > 0 {
							_, err = b.Produce(s.ctx, s.topic, kafkatest.Uncompressed, messages(slices.Repeat([]string{"another log"}, c.after)...)...)
						}
						grown <- err
					}()
				case batch.Next > 3:
					return fmt.Errorf("it reads on to %d", batch.Next)
				}
				return nil
			}, func(error) {})
			var diverged *kafka.DivergedError
			if !errors.As(err, &diverged) {
				t.Errorf("following a topic that was made again ends with %v", err)
			}
			s.must(<-grown)
		})
	}
}

// fill appends n records of another log, of a transaction that is aborted or of none.
func (s *stage) fill(b *kafkatest.Broker, n int, aborted bool) {
	s.Helper()
	values := messages(slices.Repeat([]string{"another log"}, n)...)
	if !aborted {
		_, err := b.Produce(s.ctx, s.topic, kafkatest.Uncompressed, values...)
		s.must(err)
		return
	}
	tx, err := b.Begin(s.topic, "other")
	s.must(err)
	_, err = tx.Produce(s.ctx, values...)
	s.must(err)
	s.must(tx.Abort(s.ctx))
}

// TestTheBrokersThatMetadataNamedAreAsked takes the bootstrap broker away.
func TestTheBrokersThatMetadataNamedAreAsked(t *testing.T) {
	s := newStage(t, nil)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(1, s.topic))
	s.must(err)
	t.Cleanup(cluster.Close)
	s.must(cluster.MoveTopicPartition(s.topic, 0, 1))
	log, err := kafka.New(kafka.Options{Brokers: cluster.ListenAddrs()[:1], Topic: s.topic, MaxWait: 20 * time.Millisecond, BackoffMin: time.Millisecond, DialTimeout: time.Second}, discard(), nil)
	s.must(err)
	t.Cleanup(log.Close)
	_, err = log.Facts(s.ctx)
	s.must(err)
	s.must(cluster.RemoveNode(0))
	hosttest.Until(t, func() bool { _, err = log.Facts(s.ctx); return err == nil },
		func() string { return fmt.Sprintf("the other broker is not asked: %v", err) })
}
