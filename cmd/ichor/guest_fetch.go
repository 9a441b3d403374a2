package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/talos/recording"
)

type guestFetchCommand struct {
	withFile
	From    *talos.Position `placeholder:"POSITION" help:"The first position of the range; positions are the topic's offsets, which versions are too. Else --records before its end."`
	To      *talos.Position `placeholder:"POSITION" help:"The last position of the range; else --records behind --from, or the last of the topic."`
	Records *talos.Position `placeholder:"N" help:"How many positions to take, from --from on, or up to --to, or the topic's last ones; ${fetched} of those if nothing is said."`
}

// Help implements kong's detailed help.
func (*guestFetchCommand) Help() string {
	return `It writes candidates, decisions and whatever else there is to the standard output, one JSON object a line:

    ichor guest fetch -c ichor.yaml --records 5000 > range.jsonl
    ichor guest convert guest.wasm -s range.jsonl
    ichor guest test guest.wasm -s range.jsonl

Of the settings only source is looked at, and the environment's KAFKA_BROKERS, KAFKA_TOPIC and their like. It reads beside whoever else reads the topic, and leaves
no offset behind. ichor verify and ichor replay take such a file as --log, where it begins early enough for them. What users wrote is in it.

Exit codes: 0 written, 2 settings or a range that the topic does not have, 3 the topic cannot be read or the output not written.`
}

// fetchedUnasked is how many positions are taken if nobody says.
const fetchedUnasked = 1000

// Run implements the verb.
func (c *guestFetchCommand) Run(ctx context.Context) error {
	s, err := readSettings(c.Settings)
	if notRead(err) {
		return &failure{exitSettings, err}
	}
	o, wrong := s.Source.options()
	if err := wrongSettings(c.origin(), err, wrong); err != nil {
		return err
	}
	log, err := kafka.New(o.Options, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return &failure{exitSettings, fmt.Errorf("settings: %w", err)}
	}
	defer log.Close()
	from, end, err := c.span(ctx, log)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(&stdout)
	counts, err := fetchRange(ctx, log, from, end, out)
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return &failure{exitEnvironment, err}
	}
	fmt.Fprintf(os.Stderr, "ichor: positions %d to %d: %d candidates, %d decisions, %d others\n",
		from, end-1, counts[talos.CandidateKind], counts[talos.DecisionKind], counts[talos.Foreign]+counts[talos.Malformed])
	return nil
}

// span returns where to begin and, exclusive, where to end.
func (c *guestFetchCommand) span(ctx context.Context, log *kafka.Log) (from, end talos.Position, err error) {
	facts, err := log.Facts(ctx)
	if err != nil {
		return 0, 0, &failure{exitEnvironment, err}
	}
	last := facts.StableEnd - 1
	wanted := fmt.Sprintf("the topic has %d to %d, and not", facts.Start, last)
	switch {
	case facts.Start > last:
		err = fmt.Errorf("the topic holds nothing that can be read: it begins at %d and ends before %d", facts.Start, facts.StableEnd)
	case c.Records != nil && *c.Records < 1:
		err = fmt.Errorf("--records is how many positions to take: 1 or more, and not %d", *c.Records)
	case c.From != nil && c.To != nil && c.Records != nil:
		err = errors.New("--from, --to and --records are one too many: two of them say the range")
	case c.From != nil && c.To != nil && *c.From > *c.To:
		err = fmt.Errorf("--from %d is behind --to %d, which is the last position of the range", *c.From, *c.To)
	case c.From != nil && (*c.From < facts.Start || *c.From > last):
		err = fmt.Errorf("%s --from %d", wanted, *c.From)
	case c.To != nil && (*c.To < facts.Start || *c.To > last):
		err = fmt.Errorf("%s --to %d", wanted, *c.To)
	}
	if err != nil {
		return 0, 0, &failure{exitSettings, err}
	}
	from, end = c.bounds(facts)
	return from, end, nil
}

// bounds returns the range within a topic that has where it begins and ends; of more --records than there are, those that are.
func (c *guestFetchCommand) bounds(facts kafka.Facts) (from, end talos.Position) {
	from, end = facts.Start, facts.StableEnd
	if c.To != nil {
		end = *c.To + 1
	}
	n := talos.Position(fetchedUnasked)
	if c.Records != nil {
		n = *c.Records
	}
	switch {
	case c.From == nil:
		from = max(from, end-n)
	case c.Records != nil:
		from = *c.From
		end = from + min(n, end-from)
	default:
		from = *c.From
	}
	return from, end
}

// fetchRange writes what a range of a topic holds as a recording, and counts it.
func fetchRange(ctx context.Context, log *kafka.Log, from, end talos.Position, to io.Writer) (map[talos.Kind]int, error) {
	counts := map[talos.Kind]int{}
	for next := from; next < end; {
		b, err := log.Fetch(ctx, next)
		if err != nil {
			return nil, &failure{exitEnvironment, err}
		}
		for i := range b.Records {
			r := &b.Records[i]
			if r.Position >= end {
				break
			}
			if err := passedOver(next, r.Position, b.Holes, to); err != nil {
				return nil, err
			}
			kind, _ := talos.Classify(func(name string) []byte { v, _ := r.Header(name); return v }, r.Value)
			counts[kind]++
			if err := recording.Write(to, lineOf(r)); err != nil {
				return nil, &failure{exitEnvironment, err}
			}
			next = r.Position + 1
		}
		if err := passedOver(next, min(b.Next, end), b.Holes, to); err != nil {
			return nil, err
		}
		next = max(next, b.Next)
	}
	return counts, nil
}

// lineOf returns a record as a recording has it.
func lineOf(r *kafka.Record) *recording.Record {
	is := &recording.Record{Position: r.Position, TimeMillis: r.Time / 1_000_000, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		is.Headers = append(is.Headers, recording.Header(h))
	}
	return is
}

// passedOver writes the positions from next on and below a record that hold something that no reader is given, a
// transaction's marker or a record of one that was aborted: without a line they would be read as holes.
func passedOver(next, below talos.Position, holes []kafka.Hole, to io.Writer) error {
	for ; next < below; next++ {
		if inHole(next, holes) {
			continue
		}
		if err := recording.Write(to, &recording.Record{Position: next, Control: true}); err != nil {
			return &failure{exitEnvironment, err}
		}
	}
	return nil
}

func inHole(at talos.Position, holes []kafka.Hole) bool {
	for _, h := range holes {
		if h.From <= at && at < h.To {
			return true
		}
	}
	return false
}
