package kafka

import "github.com/ichor-replicator/ichor/host/talos"

// assembly builds a Batch from the batches of one answer.
type assembly struct {
	Batch
	aborted abortedTransactions
	decoder *decoder
}

// assemble reads what a fetch from a position on returned. When a batch is corrupt, those
// before it are returned without an error and Next stands at it, so that the next
// fetch begins with it and names it.
//
// It stops early at a batch that begins at below or above it, and once it holds enough bytes, however
// well they were compressed.
func assemble(p partition, from, below talos.Position, d *decoder, enough int) (Batch, error) {
	a := assembly{aborted: newAbortedTransactions(p.aborted), decoder: d}
	a.Next = from
	a.Start, a.HighWatermark, a.StableEnd = talos.Position(p.start), talos.Position(p.high), talos.Position(p.stable)
	if p.stable < 0 { // not said: a broker without transactions
		a.StableEnd = a.HighWatermark
	}
	for set := p.recordSet; len(set) > 0 && a.plain < enough; {
		b, rest, whole, err := nextBatch(set)
		switch {
		case err != nil:
			return a.corrupt(from, "cannot be read", err)
		case !whole && a.Next == from:
			return a.corrupt(from, "cut short", nil)
		case !whole, talos.Position(b.base) >= a.StableEnd:
			return a.Batch, nil
		case talos.Position(b.base) >= below: // and there is nothing up to below
			a.hole(a.Next, below)
			a.Next = max(a.Next, below)
			return a.Batch, nil
		}
		if err := a.add(&b, from); err != nil {
			return a.corrupt(from, "cannot be decoded", err)
		}
		set = rest
	}
	return a.Batch, nil
}

// corrupt ends the assembly at the batch that stands at Next.
func (a *assembly) corrupt(from talos.Position, what string, cause error) (Batch, error) {
	if a.Next > from {
		return a.Batch, nil
	}
	return Batch{}, &CorruptError{Position: a.Next, What: what, Cause: cause}
}

// add passes one batch. After an error the Batch is as before.
func (a *assembly) add(b *rawBatch, from talos.Position) error {
	base, last := talos.Position(b.base), talos.Position(b.last)
	if last < a.Next {
		if a.Next > from {
			return errBackwards
		}
		return nil // wholly below what was asked for
	}
	if base < a.Next && a.Next > from {
		return errBackwards
	}
	if last >= a.HighWatermark {
		return errAboveEnd
	}
	a.hole(a.Next, base)
	a.aborted.reach(b.last)
	switch {
	case b.control():
		if err := a.marker(b); err != nil {
			return err
		}
	case b.transactional() && a.aborted.covers(b.producer):
		a.Aborted += b.count
	default:
		n := len(a.Records)
		records, err := a.decoder.records(b, from, a.Records)
		if err != nil {
			a.Records = records[:n]
			return err
		}
		a.Records = records
		a.plain += len(a.decoder.plain) + len(b.payload)
		if b.count < int(last-base)+1 {
			a.holesWithin(max(base, from), last, records[n:])
		}
	}
	a.Next = last + 1
	return nil
}

// hole notes that the log has nothing between two positions.
func (a *assembly) hole(from, to talos.Position) {
	if from < to {
		a.Gaps += int(to - from)
		a.Holes = append(a.Holes, Hole{from, to})
	}
}

// holesWithin notes what compaction took out of a batch.
func (a *assembly) holesWithin(base, last talos.Position, records []Record) {
	for i := range records {
		a.hole(base, records[i].Position)
		base = records[i].Position + 1
	}
	a.hole(base, last+1)
}

// marker passes a control batch: the end of a transaction.
func (a *assembly) marker(b *rawBatch) error {
	// Compaction may have taken the marker and kept its batch: then there are no records.
	records, err := a.decoder.records(b, 0, nil)
	if err != nil {
		return err
	}
	a.Markers++
	for i := range records {
		key := reader{rest: records[i].Key}
		key.i16() // version
		if kind := key.i16(); key.err == nil && kind == abortMarker {
			a.aborted.end(b.producer)
		}
	}
	return nil
}

// position is an error about the order of batches; its text is all there is to say.
type position string

// Error implements error.
func (p position) Error() string { return string(p) }

const (
	errBackwards position = "its positions go back"
	errAboveEnd  position = "it reaches above the log's end"
)
