package guest

import (
	"errors"
	"fmt"

	"github.com/ichor-replicator/ichor/abi"
)

// batch is a run of versions that are converted by one call, in one input frame. It remembers
// which of the frame's records belong to which version.
type batch struct {
	from, to int // of the records of Convert
	units    []unit
	actions  []action // of each of the frame's records
}

// unit is one version that reached the frame.
type unit struct {
	record int // of Convert
	first  int // of the frame
	count  int
}

// fill builds the input frame of the versions from from up to, and without, to. It stops early when
// the frame is full. A version that never reaches the guest gets its result here.
func (g *Generation) fill(s *slot, records []Record, results []Conversion, from, to int) {
	b := &s.batch
	b.from, b.to, b.units, b.actions = from, from, b.units[:0], b.actions[:0]
	s.build.Reset(g.rules.tokens, g.options.InputBytes)
	for ; b.to < to; b.to++ {
		first := s.build.Records()
		reject, err := g.add(s, &records[b.to])
		if count := s.build.Records() - first; reject == nil && err == nil {
			if count > 0 {
				b.units = append(b.units, unit{b.to, first, count})
			} else {
				g.settleUnseen(&results[b.to], &records[b.to])
			}
			if s.build.Size() >= batchBytes { // larger ones only cost memory
				b.to++
				return
			}
			continue
		}
		s.build.Truncate(first)
		b.actions = b.actions[:first]
		if err != nil && first > 0 {
			return // full: this version begins the next batch
		}
		if err != nil {
			reject = &Reject{Class: ClassSize, Message: g.tooLarge(&records[b.to])}
		}
		g.reject(&results[b.to], reject)
	}
}

// tooLarge says why a version alone does not fit into a frame, and what moves the limit.
func (g *Generation) tooLarge(r *Record) string {
	if n := len(r.Items); n > g.rules.records {
		return fmt.Sprintf("the version has %d items, a call of the guest takes at most %d", n, g.rules.records)
	}
	return fmt.Sprintf("the version's input frame, its payloads and %d bytes for each of their values, is larger than %d bytes: guests.limits.input",
		abi.TokStride, g.options.InputBytes)
}

// settleUnseen gives a version its result of which no item is for this guest: it is skipped.
func (g *Generation) settleUnseen(c *Conversion, r *Record) {
	if len(r.Items) > 0 {
		c.Status = Skipped
	}
}

// add puts a version's items into the frame. It returns a reject if the version cannot be
// converted, and abi.ErrInputFull if there is no room for it.
func (g *Generation) add(s *slot, r *Record) (*Reject, error) {
	before := len(s.batch.actions)
	in := abi.InputRecord{
		Version: uint64(r.Version), Safepoint: uint64(r.Safepoint), Time: r.Time,
		XID: r.XID, Cohort: r.Cohort, Agent: r.Agent, ItemCount: uint32(len(r.Items)), Flags: abi.RecFlagFirst,
	}
	for i := range r.Items {
		allowed, known := g.rules.actions[r.Items[i].Action]
		if !known && g.rules.skip {
			continue
		}
		if !known {
			return &Reject{Class: ClassAction, Message: fmt.Sprintf("item %d: guest %s does not know the action %q", i, g.name, clip(r.Items[i].Action))}, nil
		}
		in.Action, in.Payload, in.ItemIndex = r.Items[i].Action, r.Items[i].Payload, uint32(i)
		if s.build.Records() == g.rules.records {
			return nil, abi.ErrInputFull
		}
		if err := s.build.Add(&in); errors.Is(err, abi.ErrInputFull) {
			return nil, err
		} else if err != nil {
			return &Reject{Class: ClassPayload, Message: fmt.Sprintf("item %d, %s: %s", i, clip(in.Action), err)}, nil
		}
		in.Flags = 0
		s.batch.actions = append(s.batch.actions, allowed)
	}
	if len(s.batch.actions) > before {
		s.build.MarkLast()
	}
	return nil, nil
}

// clip shortens a name that came from the topic, for a message.
func clip(name string) string {
	if len(name) > abi.MaxName {
		name = name[:abi.MaxName]
	}
	return Clean([]byte(name))
}
