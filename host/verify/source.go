package verify

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/talos/recording"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// Source is where the records of a log come from. It is read more than once: first for what became of
// each version, then for the payloads.
type Source interface {
	// Read gives the records from the log's beginning to the end that it has at the first call.
	Read(ctx context.Context, yield func(*books.Record) error) error
	// Holes are the positions within that have neither a record nor a transaction's marker, from low to
	// high; they are known after the first Read.
	Holes() []books.Hole
	// Start is the log's first position; it is known after the first Read.
	Start() talos.Position
}

// ReadLog reads a log for what became of each version.
func ReadLog(ctx context.Context, from Source) (*books.Log, error) {
	l := books.NewLog(0)
	if err := from.Read(ctx, func(r *books.Record) error { l.Add(r); return nil }); err != nil {
		return nil, err
	}
	l.Start, l.Holes = from.Start(), from.Holes()
	return l, nil
}

// topic is a log on a broker.
type topic struct {
	log        *kafka.Log
	from       talos.Position // where to begin, if the log begins below it
	start, end talos.Position
	known      bool
	holes      []books.Hole
}

// TopicFrom returns a topic as a source that begins at a position, or where the log begins above it.
func TopicFrom(log *kafka.Log, from talos.Position) Source { return &topic{log: log, from: from} }

// Topic returns a topic as a source. Nothing is asked before the first Read.
func Topic(log *kafka.Log) Source { return &topic{log: log} }

// Start implements Source.
func (t *topic) Start() talos.Position { return t.start }

// Holes implements Source.
func (t *topic) Holes() []books.Hole { return t.holes }

// Read implements Source. What lies above the last stable position is somebody's open transaction.
func (t *topic) Read(ctx context.Context, yield func(*books.Record) error) error {
	if !t.known {
		facts, err := t.log.Facts(ctx)
		if err != nil {
			return fmt.Errorf("source: %w", err)
		}
		t.start, t.end, t.known = max(facts.Start, t.from), facts.StableEnd, true
	}
	t.holes = nil
	for next := t.start; next < t.end; {
		b, err := t.log.Fetch(ctx, next)
		if err != nil {
			return fmt.Errorf("source: %w", err)
		}
		for i := range b.Records {
			r := &b.Records[i]
			if r.Position >= t.end {
				break
			}
			header := func(name string) []byte { v, _ := r.Header(name); return v }
			if err := yield(&books.Record{Position: r.Position, Header: header, Value: r.Value}); err != nil {
				return err
			}
		}
		for _, h := range b.Holes {
			t.holes = append(t.holes, books.Hole{From: h.From, To: h.To})
		}
		next = b.Next
	}
	return nil
}

// file is a recording of a log.
type file struct {
	open  func() (io.ReadCloser, error)
	start talos.Position
	holes []books.Hole
}

// File returns a recording as a source.
func File(open func() (io.ReadCloser, error)) Source { return &file{open: open} }

// Start implements Source.
func (f *file) Start() talos.Position { return f.start }

// Holes implements Source.
func (f *file) Holes() []books.Hole { return f.holes }

// Read implements Source.
func (f *file) Read(ctx context.Context, yield func(*books.Record) error) (err error) {
	in, err := f.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	next := talos.Position(-1)
	f.holes = nil
	return recording.Read(in, func(r *recording.Record) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case next < 0:
			f.start = r.Position
		case r.Position > next:
			f.holes = append(f.holes, books.Hole{From: next, To: r.Position})
		}
		next = r.Position + 1
		if r.Aborted || r.Control {
			return nil
		}
		return yield(&books.Record{Position: r.Position, Header: r.Header, Value: r.Value})
	})
}
