package main

import (
	"bufio"
	"context"
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
	From    *talos.Position `placeholder:"POSITION" help:"Where the range begins, in the topic's offsets, which the versions are; else --records before its end."`
	To      *talos.Position `placeholder:"POSITION" help:"Where the range ends, inclusive; else where the topic does."`
	Records talos.Position  `default:"1000" placeholder:"N" help:"Without --from: how many positions to take, ${default} unless it is said."`
}

// Help implements kong's detailed help.
func (*guestFetchCommand) Help() string {
	return `It writes candidates, decisions and whatever else there is to the standard output, one JSON object a line:

    ichor guest fetch -c ichor.yaml --records 5000 > range.jsonl
    ichor guest convert guest.wasm -s range.jsonl
    ichor guest test guest.wasm -s range.jsonl

Of the settings only source is looked at, and the environment's KAFKA_BROKERS, KAFKA_TOPIC and their like. It reads beside whoever else reads the topic, and leaves
no offset behind. ichor verify and ichor replay take such a file as --log, where it begins early enough for them. What users wrote is in it.

Exit codes: 0 written, 2 settings or a range that the topic does not have, 3 the topic cannot be read.`
}

// Run implements the verb.
func (c *guestFetchCommand) Run(ctx context.Context) error {
	s, err := readSettings(c.Settings)
	if notRead(err) {
		return &failure{exitSettings, err}
	}
	o, wrong := s.Source.options()
	if err := wrongSettings("settings", err, wrong); err != nil {
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
	out := bufio.NewWriter(os.Stdout)
	counts, err := fetchRange(ctx, log, from, end, out)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return err
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
	end = facts.StableEnd
	if c.To != nil {
		end = *c.To + 1
	}
	from = max(facts.Start, end-c.Records)
	if c.From != nil {
		from = *c.From
	}
	switch {
	case facts.Start >= facts.StableEnd:
		err = fmt.Errorf("the topic holds nothing that can be read: it begins at %d and ends before %d", facts.Start, facts.StableEnd)
	case c.Records < 1:
		err = fmt.Errorf("--records is how many positions to take: 1 or more")
	case from >= end:
		err = fmt.Errorf("the range from %d to %d is empty: --to is inclusive, and not below --from", from, end-1)
	case from < facts.Start || end > facts.StableEnd:
		err = fmt.Errorf("the topic has %d to %d, and not all of %d to %d: choose --from and --to within", facts.Start, facts.StableEnd-1, from, end-1)
	}
	if err != nil {
		return 0, 0, &failure{exitSettings, err}
	}
	return from, end, nil
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
				return nil, err
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
			return err
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
