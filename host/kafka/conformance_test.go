package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// TestConformance says what any broker must do for the log to be read rightly. It runs on
// the embedded broker, and on Apache Kafka with ICHOR_KAFKA=apache.
func TestConformance(t *testing.T) {
	var apache *kafkatest.Broker
	if b := kafkatest.Chosen(t); b.Kind() == "apache" {
		apache = b
	}
	for _, c := range conformance {
		if c.apacheOnly && apache == nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.run(newStage(t, apache)) })
	}
}

var conformance = []struct {
	name string
	run  func(*stage)
	// apacheOnly is for what the embedded broker does not do.
	apacheOnly bool
}{
	{name: "keys, values, headers and nulls", run: plainRecords},
	{name: "compression", run: compressions},
	{name: "compression, more than is asked for", run: inflated},
	{name: "transactions, interleaved", run: interleavedTransactions},
	{name: "transactions, aborted first", run: abortedFirst},
	{name: "transactions, read from the middle", run: middleOfAborted},
	{name: "transactions, an open one holds the stable end", run: openTransaction},
	{name: "sasl", run: saslMechanisms},
	{name: "sasl, wrong password", run: wrongPassword},
	{name: "sasl, none offered", run: noSASL},
	{name: "sasl, changed password", run: changedPassword},
	{name: "tls", run: tlsListener},
	{name: "tls, unknown authority", run: tlsUnknownAuthority},
	{name: "tls, to a plain listener", run: tlsToPlain, apacheOnly: true},
	{name: "restart while following", run: restartWhileFollowing},
	{name: "retention passes the position", run: truncated},
	{name: "retention empties an idle topic", run: emptied},
	{name: "topic recreated, shorter", run: recreatedShorter},
	{name: "topic recreated, longer", run: recreatedLonger},
	{name: "topic compacted", run: compactedTopic},
	{name: "topic missing", run: missingTopic},
	{name: "two partitions", run: twoPartitions},
	{name: "large record", run: largeRecord},
	{name: "time of append", run: timeOfAppend, apacheOnly: true},
	{name: "published position", run: published},
	{name: "anchor", run: anchors},
	{name: "range", run: ranges},
	{name: "recorded log", run: recordedLog},
}

func plainRecords(s *stage) {
	b := s.ready()
	_, err := b.Produce(s.ctx, s.topic, kafkatest.Uncompressed,
		kafkatest.Message{Time: time.UnixMilli(1_700_000_000_123), Key: []byte("k"), Value: []byte("v"), Headers: []kafkatest.Header{
			{Name: "messageType", Value: []byte("Candidate")}, {Name: "x", Value: []byte("1")}, {Name: "x", Value: []byte("2")}, {Name: "x", Value: nil}, {Name: "null", Value: nil}, {Name: "empty", Value: []byte{}},
		}},
		kafkatest.Message{Key: nil, Value: nil},
		kafkatest.Message{Key: []byte{}, Value: []byte{}},
	)
	s.must(err)
	got := s.read(s.open(b, kafkatest.Plain), 0, 3).records
	s.equal("records", len(got), 3)
	first := &got[0]
	s.equal("time", first.Time, int64(1_700_000_000_123_000_000))
	s.equal("key and value", string(first.Key)+string(first.Value), "kv")
	s.equal("headers", len(first.Headers), 6)
	x, ok := first.Header("x")
	s.equal("last of the repeated headers that is not null", fmt.Sprintf("%s %t", x, ok), "2 true")
	empty, ok := first.Header("empty")
	s.equal("empty header", fmt.Sprintf("%t %t", empty != nil, ok), "true true")
	_, ok = first.Header("null")
	s.equal("null header", ok, false)
	s.equal("null key and value", fmt.Sprint(got[1].Key == nil, got[1].Value == nil, len(got[1].Headers)), "true true 0")
	s.equal("empty key and value", fmt.Sprint(got[2].Key != nil, got[2].Value != nil), "true true")
}

func compressions(s *stage) {
	b := s.ready()
	var want []string
	kinds := []kafkatest.Compression{kafkatest.Uncompressed, kafkatest.Gzip, kafkatest.Snappy, kafkatest.LZ4, kafkatest.Zstd}
	for _, c := range kinds {
		var batch []string
		for i := range 200 {
			batch = append(batch, fmt.Sprintf("%s %d %s", c, i, bytes.Repeat([]byte("abc"), 300)))
		}
		_, err := b.Produce(s.ctx, s.topic, c, messages(batch...)...)
		s.must(err)
		want = append(want, batch...)
	}
	log := s.open(b, kafkatest.Plain)
	got := s.read(log, 0, talos.Position(len(want)))
	for i, r := range got.records {
		s.equal("position", r.Position, i)
		s.equal("value", string(r.Value), want[i])
	}
	s.equal("records", len(got.records), len(want))
	// From the middle of a compressed batch.
	for i := range kinds {
		at := talos.Position(200*i + 150)
		got := s.read(log, at, at+1).records[0]
		s.equal("first position", got.Position, at)
		s.equal("first value", string(got.Value), want[at])
	}
}

func interleavedTransactions(s *stage) {
	b := s.ready()
	committed, err := b.Begin(s.topic, s.topic+"-c")
	s.must(err)
	aborted, err := b.Begin(s.topic, s.topic+"-a")
	s.must(err)
	for i, tx := range []*kafkatest.Transaction{committed, aborted, aborted, committed} { // 0..3
		_, err := tx.Produce(s.ctx, messages(fmt.Sprintf("t%d", i))...)
		s.must(err)
	}
	s.produce(b, "plain")           // 4
	s.must(aborted.Abort(s.ctx))    // 5
	s.must(committed.Commit(s.ctx)) // 6
	again, err := b.Begin(s.topic, s.topic+"-a")
	s.must(err)
	_, err = again.Produce(s.ctx, messages("later")...) // 7, same producer id, committed
	s.must(err)
	s.must(again.Commit(s.ctx)) // 8
	got := s.read(s.open(b, kafkatest.Plain), 0, 9)
	s.equal("values", got.values(), []string{"0=t0", "3=t3", "4=plain", "7=later"})
	s.equal("aborted and markers", fmt.Sprint(got.aborted, got.markers, got.gaps), "2 3 0")
	s.equal("next", got.last.Next, 9)
	s.equal("ends", fmt.Sprint(got.last.StableEnd, got.last.HighWatermark), "9 9")
}

func abortedFirst(s *stage) {
	b := s.ready()
	for i, commit := range []bool{false, true, false, false, true} {
		tx, err := b.Begin(s.topic, s.topic)
		s.must(err)
		_, err = tx.Produce(s.ctx, messages(fmt.Sprintf("%d", i))...)
		s.must(err)
		if commit {
			s.must(tx.Commit(s.ctx))
		} else {
			s.must(tx.Abort(s.ctx))
		}
	}
	got := s.read(s.open(b, kafkatest.Plain), 0, 10)
	s.equal("values, aborted and markers", fmt.Sprint(got.values(), got.aborted, got.markers, got.gaps, got.last.Next), "[2=1 8=4] 3 5 0 10")
}

func middleOfAborted(s *stage) {
	b := s.ready()
	tx, err := b.Begin(s.topic, s.topic)
	s.must(err)
	for i := range 3 { // 0..2, one batch each
		_, err := tx.Produce(s.ctx, messages(fmt.Sprintf("%d", i))...)
		s.must(err)
	}
	s.must(tx.Abort(s.ctx)) // 3
	s.produce(b, "after")   // 4
	log := s.open(b, kafkatest.Plain)
	for from := range talos.Position(4) {
		s.equal("values", s.read(log, from, 5).values(), []string{"4=after"})
	}
}

func openTransaction(s *stage) {
	b := s.ready()
	s.produce(b, "before") // 0
	tx, err := b.Begin(s.topic, s.topic)
	s.must(err)
	_, err = tx.Produce(s.ctx, messages("in")...) // 1
	s.must(err)
	s.produce(b, "behind") // 2
	log := s.open(b, kafkatest.Plain)
	s.equal("readable", s.read(log, 0, 1).values(), []string{"0=before"})
	held, err := log.Fetch(s.ctx, 1)
	s.must(err)
	s.equal("held", fmt.Sprint(len(held.Records), held.Next, held.StableEnd, held.HighWatermark), "0 1 1 3")
	facts, err := log.Facts(s.ctx)
	s.must(err)
	s.equal("facts", fmt.Sprint(facts.Partitions, facts.Start, facts.StableEnd, facts.End), "1 0 1 3")
	s.equal("class of a range above the stable end",
		kafka.ClassOf(log.FetchRange(s.ctx, 0, 3, 1, func(kafka.Record) error { return nil })), kafka.ClassTransient)
	s.must(tx.Commit(s.ctx)) // 3
	s.equal("all", s.read(log, 1, 4).values(), []string{"1=in", "2=behind"})
}

func saslMechanisms(s *stage) {
	b := s.broker(kafkatest.SASL)
	s.must(b.CreateTopic(s.ctx, s.topic, 1, nil))
	s.produce(b, "v")
	for _, m := range []string{kafka.SASLPlain, kafka.SASLScramSHA256, kafka.SASLScramSHA512} {
		log := s.open(b, kafkatest.SASL, withSASL(m, kafkatest.Password))
		s.equal(m, s.read(log, 0, 1).values(), []string{"0=v"})
	}
}

func withSASL(mechanism, password string) func(*kafka.Options) {
	return func(o *kafka.Options) {
		o.SASL = kafka.SASLOptions{Mechanism: mechanism, Username: kafkatest.User, Password: password}
	}
}

func wrongPassword(s *stage) {
	b := s.broker(kafkatest.SASL)
	s.must(b.CreateTopic(s.ctx, s.topic, 1, nil))
	for _, m := range []string{kafka.SASLPlain, kafka.SASLScramSHA256, kafka.SASLScramSHA512} {
		_, err := s.open(b, kafkatest.SASL, withSASL(m, "wrong")).Fetch(s.ctx, 0)
		var refused *kafka.RefusedError
		if !errors.As(err, &refused) || refused.What != "user and password" {
			s.Fatalf("%s: %v", m, err)
		}
	}
}

// changedPassword gives a log a password that the brokers do not know, as after a change, and the right one a while later.
func changedPassword(s *stage) {
	b := s.broker(kafkatest.SASL)
	s.must(b.CreateTopic(s.ctx, s.topic, 1, nil))
	for _, m := range []string{kafka.SASLPlain, kafka.SASLScramSHA256, kafka.SASLScramSHA512} {
		now, unread := "older", error(nil)
		log := s.open(b, kafkatest.SASL, withSASL(m, "old"), func(o *kafka.Options) {
			o.SASL.Reread = func() (string, error) { return now, unread }
		})
		refused := func(what string) {
			s.Helper()
			_, err := log.Fetch(s.ctx, 0)
			s.equal(m+", "+what, kafka.ClassOf(err), kafka.ClassRefused)
		}
		refused("the old password")
		refused("what was read again is as old")
		now, unread = kafkatest.Password, errors.New("no such file")
		refused("what was read again before")
		unread = nil
		refused("what could not be read")
		_, err := log.Fetch(s.ctx, 0)
		s.must(err)
	}
}

func noSASL(s *stage) {
	b := s.broker(kafkatest.SASL)
	_, err := s.open(b, kafkatest.SASL).Fetch(s.ctx, 0)
	s.equal("class", kafka.ClassOf(err), kafka.ClassTransient)
	if !bytes.Contains([]byte(err.Error()), []byte("wants SASL or TLS")) {
		s.Fatal(err)
	}
}

func tlsListener(s *stage) {
	b := s.broker(kafkatest.TLS)
	s.must(b.CreateTopic(s.ctx, s.topic, 1, nil))
	s.produce(b, "v")
	log := s.open(b, kafkatest.TLS, func(o *kafka.Options) {
		o.TLS = kafka.TLSOptions{Enabled: true, CAFile: b.CAFile()}
	})
	s.equal("values", s.read(log, 0, 1).values(), []string{"0=v"})
}

func tlsUnknownAuthority(s *stage) {
	b := s.broker(kafkatest.TLS)
	_, err := s.open(b, kafkatest.TLS, func(o *kafka.Options) { o.TLS.Enabled = true }).Fetch(s.ctx, 0)
	s.equal("class", kafka.ClassOf(err), kafka.ClassRefused)
}

// tlsToPlain is for Apache Kafka: the embedded broker keeps quiet instead of hanging up.
func tlsToPlain(s *stage) {
	b := s.broker(kafkatest.Plain)
	_, err := s.open(b, kafkatest.Plain, func(o *kafka.Options) { o.TLS.Enabled = true }).Fetch(s.ctx, 0)
	s.equal("class", kafka.ClassOf(err), kafka.ClassRefused)
}

func restartWhileFollowing(s *stage) {
	b := s.ready()
	s.produce(b, "0", "1", "2")
	log := s.open(b, kafkatest.Plain)
	var got []string
	done := errors.New("enough")
	troubles := 0
	restarted := false
	err := log.Follow(s.ctx, 0, talos.NoAnchor, func(batch kafka.Batch) error {
		for _, r := range batch.Records {
			got = append(got, fmt.Sprintf("%d=%s", r.Position, r.Value))
		}
		switch {
		case len(got) == 3 && !restarted:
			restarted = true
			s.must(b.Halt())
			// Started again only once the follower has met the broker's absence.
		case len(got) == 5:
			return done
		}
		return nil
	}, func(err error) {
		if troubles++; troubles == 3 {
			s.must(b.Resume(s.ctx))
			s.produce(b, "3", "4")
		}
	})
	if !errors.Is(err, done) {
		s.Fatal(err)
	}
	s.equal("records", got, []string{"0=0", "1=1", "2=2", "3=3", "4=4"})
}

func truncated(s *stage) {
	b := s.ready()
	s.produce(b, "0", "1", "2", "3", "4")
	s.must(b.DeleteRecordsBefore(s.ctx, s.topic, 3))
	log := s.open(b, kafkatest.Plain)
	_, err := log.Fetch(s.ctx, 1)
	var gone *kafka.TruncatedError
	if !errors.As(err, &gone) {
		s.Fatal(err)
	}
	s.equal("numbers", fmt.Sprint(gone.Asked, gone.Start), "1 3")
	err = log.Follow(s.ctx, 2, talos.NoAnchor, func(kafka.Batch) error { return nil }, func(err error) { s.Fatal("not to be tried again", err) })
	s.equal("following", kafka.ClassOf(err), kafka.ClassTruncated)
	s.equal("from the start on", s.read(log, 3, 5).values(), []string{"3=3", "4=4"})
	_, there, err := log.Anchor(s.ctx, 2)
	s.must(err)
	s.equal("anchor still there", there, false)
}

func emptied(s *stage) {
	b := s.ready()
	s.produce(b, "0", "1")
	s.must(b.DeleteRecordsBefore(s.ctx, s.topic, 2))
	log := s.open(b, kafkatest.Plain)
	batch, err := log.Fetch(s.ctx, 2)
	s.must(err)
	s.equal("batch", fmt.Sprint(len(batch.Records), batch.Next, batch.Start, batch.HighWatermark), "0 2 2 2")
	s.produce(b, "2")
	s.equal("goes on", s.read(log, 2, 3).values(), []string{"2=2"})
}

// recreate replaces the topic by another of the same name.
func (s *stage) recreate(b *kafkatest.Broker, values ...string) {
	s.must(b.DeleteTopic(s.ctx, s.topic))
	s.must(b.CreateTopic(s.ctx, s.topic, 1, nil))
	s.produce(b, values...)
}

func recreatedShorter(s *stage) {
	b := s.ready()
	s.produce(b, "0", "1", "2")
	log := s.open(b, kafkatest.Plain)
	s.read(log, 0, 3)
	s.recreate(b, "x")
	err := log.Follow(s.ctx, 3, talos.NoAnchor, func(kafka.Batch) error { return errors.New("nothing to deliver") }, func(error) {})
	var other *kafka.DivergedError
	if !errors.As(err, &other) {
		s.Fatal(err)
	}
	s.equal("numbers", fmt.Sprint(other.Asked, other.End), "3 1")
}

func recreatedLonger(s *stage) {
	b := s.ready()
	s.produce(b, "0", "1")
	log := s.open(b, kafkatest.Plain)
	recreated := false
	err := log.Follow(s.ctx, 0, talos.NoAnchor, func(batch kafka.Batch) error {
		if recreated && len(batch.Records) > 0 {
			return errors.New("records of the other log")
		}
		if batch.Next == 2 && !recreated {
			recreated = true
			s.must(b.DeleteTopic(s.ctx, s.topic))
		}
		return nil
	}, func(error) {
		if end, err := b.End(s.ctx, s.topic); err != nil || end == 0 {
			s.must(b.CreateTopic(s.ctx, s.topic, 1, nil))
			s.produce(b, "x", "y", "z")
		}
	})
	s.equal("class", kafka.ClassOf(err), kafka.ClassDiverged)
}

// compactedTopic changes the clean-up policy of a topic that is read.
func compactedTopic(s *stage) {
	b := s.ready()
	log := s.open(b, kafkatest.Plain)
	facts, err := log.Facts(s.ctx)
	s.must(err)
	s.equal("policy of a topic that says none", facts.Cleanup, "delete")
	for _, policy := range []string{"compact", "compact,delete", "delete,compact"} {
		s.must(b.AlterTopic(s.ctx, s.topic, "cleanup.policy", policy))
		_, err := log.Facts(s.ctx)
		var compacted *kafka.CompactedError
		if !errors.As(err, &compacted) || compacted.Topic != s.topic || compacted.Policy != policy {
			s.Errorf("%s: %v", policy, err)
		}
		s.equal("class", kafka.ClassOf(err), kafka.ClassCompacted)
	}
	s.must(b.AlterTopic(s.ctx, s.topic, "cleanup.policy", "delete"))
	facts, err = log.Facts(s.ctx)
	s.must(err)
	s.equal("policy that was set again", facts.Cleanup, "delete")
}

func missingTopic(s *stage) {
	b := s.broker(kafkatest.Plain)
	log := s.open(b, kafkatest.Plain)
	_, err := log.Facts(s.ctx)
	s.equal("class", kafka.ClassOf(err), kafka.ClassMissingTopic)
	s.must(b.CreateTopic(s.ctx, s.topic, 1, nil))
	facts, err := log.Facts(s.ctx)
	s.must(err)
	s.equal("partitions", facts.Partitions, 1)
	if facts.ClusterID == "" {
		s.Fatal("no cluster id")
	}
}

func twoPartitions(s *stage) {
	b := s.broker(kafkatest.Plain)
	s.must(b.CreateTopic(s.ctx, s.topic, 2, nil))
	log := s.open(b, kafkatest.Plain)
	_, err := log.Fetch(s.ctx, 0)
	var partitions *kafka.PartitionsError
	if !errors.As(err, &partitions) {
		s.Fatal(err)
	}
	s.equal("partitions", partitions.Partitions, 2)
	facts, err := log.Facts(s.ctx)
	s.equal("facts", fmt.Sprintf("%d %s", facts.Partitions, kafka.ClassOf(err)), "2 partitions")
}

func largeRecord(s *stage) {
	b := s.ready()
	large := bytes.Repeat([]byte("0123456789abcdef"), 20<<20/16)
	s.produce(b, "before", string(large), "after")
	got := s.read(s.open(b, kafkatest.Plain, func(o *kafka.Options) { o.MaxBytes = 1 << 20 }), 0, 3).records
	s.equal("records", len(got), 3)
	if !bytes.Equal(got[1].Value, large) {
		s.Fatalf("%d bytes, want %d", len(got[1].Value), len(large))
	}
	s.equal("after", string(got[2].Value), "after")
	_, err := s.open(b, kafkatest.Plain, func(o *kafka.Options) { o.MaxBytes, o.MaxFrame = 1<<20, 2<<20 }).Fetch(s.ctx, 1)
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("max_frame")) {
		s.Fatal("a frame above the bound:", err)
	}
}

func timeOfAppend(s *stage) {
	b := s.broker(kafkatest.Plain)
	s.must(b.CreateTopic(s.ctx, s.topic, 1, map[string]string{"message.timestamp.type": "LogAppendTime"}))
	before := time.Now()
	_, err := b.Produce(s.ctx, s.topic, kafkatest.Uncompressed,
		kafkatest.Message{Time: before.Add(-time.Minute), Value: []byte("a")}, kafkatest.Message{Time: before.Add(-time.Minute), Value: []byte("b")})
	s.must(err)
	for _, r := range s.read(s.open(b, kafkatest.Plain), 0, 2).records {
		if at := time.Unix(0, r.Time); at.Before(before.Truncate(time.Millisecond)) || at.After(time.Now()) {
			s.Fatalf("time of append %v, appended after %v", at, before)
		}
	}
}

func published(s *stage) {
	b := s.ready()
	log := s.open(b, kafkatest.Plain, func(o *kafka.Options) { o.Group = s.topic })
	_, there, err := log.Published(s.ctx)
	s.must(err)
	s.equal("before the first", there, false)
	for _, want := range []talos.Position{7, 12} {
		s.must(log.Publish(s.ctx, want))
		got, there, err := log.Published(s.ctx)
		s.must(err)
		s.equal("published", fmt.Sprint(got, there), fmt.Sprint(want, true))
	}
	none := s.open(b, kafkatest.Plain)
	s.must(none.Publish(s.ctx, 99))
	_, there, err = none.Published(s.ctx)
	s.must(err)
	s.equal("without a group", there, false)
}

func anchors(s *stage) {
	b := s.ready()
	s.produce(b, "0", "1")
	log := s.open(b, kafkatest.Plain)
	records := s.read(log, 0, 2).records
	for i := range records {
		anchor, there, err := log.Anchor(s.ctx, talos.Position(i))
		s.must(err)
		s.equal("anchor", fmt.Sprint(anchor.Position, anchor.Hash, there), fmt.Sprint(i, kafka.Hash(&records[i]), true))
	}
	for _, above := range []talos.Position{2, 3} {
		_, _, err := log.Anchor(s.ctx, above)
		s.equal("above the end", kafka.ClassOf(err), kafka.ClassDiverged)
	}
}

func ranges(s *stage) {
	b := s.ready()
	s.produce(b, "0", "1", "2", "3")
	log := s.open(b, kafkatest.Plain)
	// A long poll that is under way holds nothing up: it ends only with the context.
	polling, stop := context.WithCancel(s.ctx)
	polled := make(chan error)
	long := s.open(b, kafkatest.Plain, func(o *kafka.Options) { o.MaxWait = time.Hour })
	go func() {
		_, err := long.Fetch(polling, 4)
		polled <- err
	}()
	for _, l := range []*kafka.Log{log, long} {
		var got []string
		s.must(l.FetchRange(s.ctx, 1, 3, 1<<20, func(r kafka.Record) error {
			got = append(got, string(r.Value))
			return nil
		}))
		s.equal("range", got, []string{"1", "2"})
	}
	stop()
	if err := <-polled; !errors.Is(err, context.Canceled) {
		s.Fatal(err)
	}
	enough := errors.New("enough")
	s.equal("yield's error", log.FetchRange(s.ctx, 0, 4, 1, func(kafka.Record) error { return enough }), enough)
	s.equal("above the end", kafka.ClassOf(log.FetchRange(s.ctx, 2, 5, 1, func(kafka.Record) error { return nil })), kafka.ClassDiverged)
	s.equal("empty", log.FetchRange(s.ctx, 9, 9, 1, func(kafka.Record) error { return enough }), nil)
}

func recordedLog(s *stage) {
	b := s.ready()
	record := func(offset int64, value string, aborted bool) kafkatest.Recorded {
		return kafkatest.Recorded{Offset: offset, Aborted: aborted, Message: kafkatest.Message{
			Time: time.UnixMilli(1_700_000_000_000 + offset), Key: []byte(fmt.Sprint(offset)), Value: []byte(value),
			Headers: []kafkatest.Header{{Name: "messageType", Value: []byte("Candidate")}},
		}}
	}
	recorded := []kafkatest.Recorded{
		record(3, "after a gap of three", false),
		record(5, "after a gap of one", false),
		record(6, "next", false),
		record(7, "aborted", true),
		record(8, "within", false),
		{Offset: 9, Marker: true},
		record(10, "last but a marker", false),
		{Offset: 11, Marker: true},
		record(5012, "far", false),
	}
	s.must(b.Play(s.ctx, s.topic, recorded))
	got := s.read(s.open(b, kafkatest.Plain), 0, 5013).records
	i := 0
	for _, want := range recorded {
		if want.Aborted || want.Marker {
			continue
		}
		r := &got[i]
		i++
		s.equal("record", fmt.Sprintf("%d %s %s %d %v", r.Position, r.Key, r.Value, r.Time, r.Headers),
			fmt.Sprintf("%d %s %s %d %v", want.Offset, want.Key, want.Value, want.Time.UnixNano(), want.Headers))
	}
	s.equal("records", len(got), i)
}
