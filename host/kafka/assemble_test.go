package kafka

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/talos"
)

// read returns what an answer to a fetch from a position on is read as.
func read(t *testing.T, p partition, from talos.Position) Batch {
	t.Helper()
	b, err := assemble(p, from, toTheEnd, newDecoder(1<<20), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// summary returns a batch as text.
func summary(b Batch) string {
	var out strings.Builder
	for _, r := range b.Records {
		fmt.Fprintf(&out, "%d=%s ", r.Position, r.Value)
	}
	fmt.Fprintf(&out, "next %d aborted %d markers %d gaps %d", b.Next, b.Aborted, b.Markers, b.Gaps)
	return out.String()
}

func TestAssemble(t *testing.T) {
	compacted := makeBatch(20, "a")
	compacted.LastOffsetDelta = 9
	emptied := makeBatch(30)
	emptied.LastOffsetDelta = 4
	bare := makeMarker(9, 7, false)
	bare.NumRecords, bare.Records = 0, nil
	for _, c := range []struct {
		name    string
		set     partition
		aborted []abortedRange
		from    talos.Position
		stable  int64
		want    string
	}{
		{name: "nothing", from: 5, want: "next 5 aborted 0 markers 0 gaps 0"},
		{name: "from the middle", set: makeSet(makeBatch(10, "a", "b", "c")), from: 11, want: "11=b 12=c next 13 aborted 0 markers 0 gaps 0"},
		{name: "a batch wholly below", set: makeSet(makeBatch(5, "old"), makeBatch(10, "a")), from: 10, want: "10=a next 11 aborted 0 markers 0 gaps 0"},
		{name: "a gap", set: makeSet(makeBatch(10, "a"), makeBatch(15, "b")), from: 10, want: "10=a 15=b next 16 aborted 0 markers 0 gaps 4"},
		{name: "compaction took the batch's end", set: makeSet(compacted), from: 20, want: "20=a next 30 aborted 0 markers 0 gaps 9"},
		{name: "compaction took all of it", set: makeSet(emptied), from: 30, want: "next 35 aborted 0 markers 0 gaps 5"},
		{name: "aborted", set: makeSet(makeBatch(0, "x").transaction(7), makeBatch(1, "y").transaction(8), makeMarker(2, 7, false), makeMarker(3, 8, true), makeBatch(4, "z").transaction(7)),
			aborted: []abortedRange{{producer: 7, first: 0}}, want: "1=y 4=z next 5 aborted 1 markers 2 gaps 0"},
		{name: "aborted twice, ranges unsorted", set: makeSet(makeBatch(0, "x").transaction(7), makeMarker(1, 7, false), makeBatch(2, "y").transaction(7), makeMarker(3, 7, false), makeBatch(4, "z").transaction(7)),
			aborted: []abortedRange{{producer: 7, first: 2}, {producer: 7, first: 0}}, want: "4=z next 5 aborted 2 markers 2 gaps 0"},
		{name: "aborted, idempotent records of the same producer are not", set: makeSet(makeBatch(0, "x").transaction(7), func() made { m := makeBatch(1, "y"); m.ProducerID = 7; return m }(), makeMarker(2, 7, false)),
			aborted: []abortedRange{{producer: 7, first: 0}}, want: "1=y next 3 aborted 1 markers 1 gaps 0"},
		{name: "a marker that compaction took", set: makeSet(bare), from: 9, want: "next 10 aborted 0 markers 1 gaps 0"},
		{name: "not above the stable end", set: makeSet(makeBatch(0, "a"), makeBatch(1, "open").transaction(7)), stable: 1, want: "0=a next 1 aborted 0 markers 0 gaps 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.set.high, c.set.stable, c.set.aborted = 1000, 1000, c.aborted
			if c.stable != 0 {
				c.set.stable = c.stable
			}
			if got := summary(read(t, c.set, c.from)); got != c.want {
				t.Fatalf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	b := makeBatch(0, "a", "b")
	if got := read(t, makeSet(b), 0).Records[1].Time; got != 1001*nanosPerMilli {
		t.Errorf("the producer's time: %d", got)
	}
	b.Attributes |= timeOfAppendBit
	if got := read(t, makeSet(b), 0).Records[1].Time; got != 1002*nanosPerMilli {
		t.Errorf("the broker's time: %d", got)
	}
}

// TestAlteredBytes turns every bit of a batch over. Those under the checksum must be
// found; those before it are the base offset, the length and the leader epoch, where only
// some changes can be told from another batch.
func TestAlteredBytes(t *testing.T) {
	whole := makeBatch(10, "value one", "value two").bytes()
	unaltered := summary(read(t, partition{high: 1000, stable: 1000, recordSet: whole}, 10))
	for i := range whole {
		for bit := range 8 {
			altered := bytes.Clone(whole)
			altered[i] ^= 1 << bit
			b, err := assemble(partition{high: 1000, stable: 1000, recordSet: altered}, 10, toTheEnd, newDecoder(1<<20), 1<<20)
			var corrupt *CorruptError
			switch found := errors.As(err, &corrupt); {
			case found && corrupt.Position != 10:
				t.Errorf("byte %d bit %d: said to be at %d", i, bit, corrupt.Position)
			case !found && i >= magicAt:
				t.Errorf("byte %d bit %d: not found: %s, %v", i, bit, summary(b), err)
			case !found && i >= 8 && i < batchLead:
				t.Errorf("byte %d bit %d, the length: not found: %s", i, bit, summary(b))
			case !found && i >= batchLead && summary(b) != unaltered:
				t.Errorf("byte %d bit %d, the leader epoch: %s", i, bit, summary(b))
			}
		}
	}
}

func TestCorrupt(t *testing.T) {
	change := func(m made, how func(*made)) made { how(&m); return m }
	old := makeBatch(10, "a").bytes()
	old[magicAt] = 1
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := z.Write(make([]byte, 2<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		set  []byte
		want string
	}{
		{"cut short", makeBatch(10, "a").bytes()[:70], "cut short"},
		{"less than a header", makeBatch(10, "a").bytes()[:20], "cut short"},
		{"an old format", old, "message format 1"},
		{"more records than it says offsets", change(makeBatch(10, "a"), func(m *made) { m.NumRecords = 2 }).bytes(), "2 records, last offset 0"},
		{"more records than bytes", change(makeBatch(10, "a"), func(m *made) { m.NumRecords, m.LastOffsetDelta = 500, 500 }).bytes(), "records in"},
		{"fewer records", change(makeBatch(10, "a", "b"), func(m *made) { m.NumRecords = 1 }).bytes(), "after the last record"},
		{"a record beyond its last offset", change(makeBatch(10, "a", "b"), func(m *made) { m.NumRecords, m.LastOffsetDelta, m.Records = 1, 0, makeRecord(5, nil, nil) }).bytes(), "record at 15"},
		{"a negative number of records", change(makeBatch(10, "a"), func(m *made) { m.NumRecords = -1 }).bytes(), "-1 records"},
		{"above the log's end", makeBatch(1000, "a").bytes(), "above the log's end"},
		{"unknown compression", change(makeBatch(10, "a"), func(m *made) { m.Attributes = 7 }).bytes(), "unknown compression"},
		{"not what the compression says", change(makeBatch(10, "a"), func(m *made) { m.Attributes = 1 }).bytes(), "gzip"},
		{"more than the bound after decompression", change(makeBatch(10, "a"), func(m *made) { m.Attributes, m.Records = 1, bomb.Bytes() }).bytes(), "max_frame"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := assemble(partition{high: 1000, stable: 2000, recordSet: c.set}, 10, toTheEnd, newDecoder(1<<20), 1<<20)
			if ClassOf(err) != ClassCorrupt || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q in it", err, c.want)
			}
			// Behind a good batch it ends the answer without an error; the next fetch names it.
			good := makeBatch(8, "good", "too").bytes()
			b, err := assemble(partition{high: 1000, stable: 2000, recordSet: append(good, c.set...)}, 8, toTheEnd, newDecoder(1<<20), 1<<20)
			if err != nil || b.Next != 10 || len(b.Records) != 2 {
				t.Fatalf("%s, %v", summary(b), err)
			}
		})
	}
}

// TestEnough ends an answer whose batches grow too much by decompression.
func TestEnough(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(makeRecord(0, nil, make([]byte, 1000))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	set := partition{high: 1000, stable: 1000}
	for i := range 10 {
		b := makeBatch(int64(i), "")
		b.Attributes, b.Records = 1, packed.Bytes()
		set.recordSet = append(set.recordSet, b.bytes()...)
	}
	b, err := assemble(set, 0, toTheEnd, newDecoder(1<<20), 2500)
	if err != nil || b.Next != 3 || len(b.Records) != 3 {
		t.Fatalf("%d records, next %d, %v", len(b.Records), b.Next, err)
	}
	// Nor is what nobody wants decompressed.
	if b, err := assemble(set, 0, 2, newDecoder(1<<20), 1<<20); err != nil || b.Next != 2 || len(b.Records) != 2 {
		t.Fatalf("below 2: %d records, next %d, %v", len(b.Records), b.Next, err)
	}
	// What the log has no more, before a batch that nobody wants, is passed: else it would be asked for for ever.
	set.recordSet = makeBatch(10, "").bytes()
	if b, err := assemble(set, 3, 5, newDecoder(1<<20), 1<<20); err != nil || b.Next != 5 || b.Gaps != 2 || len(b.Records) != 0 {
		t.Fatalf("nothing up to 5: next %d, %d gaps, %v", b.Next, b.Gaps, err)
	}
}

func TestBatchesGoingBack(t *testing.T) {
	b := read(t, makeSet(makeBatch(10, "a", "b"), makeBatch(11, "again")), 10)
	if got, want := summary(b), "10=a 11=b next 12 aborted 0 markers 0 gaps 0"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

// TestRecordsOwnTheirBytes overwrites what the records were decoded from.
func TestRecordsOwnTheirBytes(t *testing.T) {
	p := makeSet(makeBatch(0, "first", "second"))
	b := read(t, p, 0)
	clear(p.recordSet)
	r := &b.Records[1]
	kind, _ := r.Header("messageType")
	if got := fmt.Sprintf("%s %s %s", r.Key, r.Value, kind); got != "key second Candidate" {
		t.Fatal(got)
	}
	// Nor does one record's memory run into the next.
	_ = append(b.Records[0].Value, "overwritten"...)
	if kind, _ := b.Records[0].Header("messageType"); string(kind) != "Candidate" {
		t.Fatalf("%s", kind)
	}
}

func FuzzAssemble(f *testing.F) {
	f.Add(makeFrame(11, makeSet(makeBatch(0, "a", "b"), makeMarker(2, 7, false))), int64(0))
	f.Add(makeFrame(4, partition{high: 9, stable: 9, aborted: []abortedRange{{7, 1}}, recordSet: makeBatch(3, "x").transaction(7).bytes()}), int64(3))
	f.Fuzz(func(t *testing.T, frame []byte, from int64) {
		for version := int16(minFetchVersion); version <= maxFetchVersion; version++ {
			p, err := (&answer{version: version, frame: frame}).parse()
			if err != nil || from < 0 {
				continue
			}
			b, err := assemble(p, talos.Position(from), toTheEnd, newDecoder(1<<16), 1<<20)
			if err != nil {
				continue
			}
			before := talos.Position(from) - 1
			for _, r := range b.Records {
				if r.Position <= before || r.Position >= b.Next {
					t.Fatalf("record at %d after %d, next %d", r.Position, before, b.Next)
				}
				before = r.Position
			}
		}
	})
}

// BenchmarkAssemble decodes an answer of 4 MiB.
func BenchmarkAssemble(b *testing.B) {
	value := strings.Repeat("v", 700)
	var p partition
	records := 0
	for len(p.recordSet) < DefaultMaxBytes {
		batch := make([]string, 100)
		for i := range batch {
			batch[i] = value
		}
		p.recordSet = append(p.recordSet, makeBatch(int64(records), batch...).bytes()...)
		records += len(batch)
	}
	p.high, p.stable = int64(records), int64(records)
	d := newDecoder(DefaultMaxFrame)
	b.SetBytes(int64(len(p.recordSet)))
	b.ReportAllocs()
	for b.Loop() {
		got, err := assemble(p, 0, toTheEnd, d, 2*DefaultMaxBytes)
		if err != nil || len(got.Records) != records {
			b.Fatal(len(got.Records), err)
		}
	}
	b.ReportMetric(float64(records*b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(records), "records/op")
}
