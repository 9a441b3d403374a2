package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/admin"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/talos"
)

type quarantineShowCommand struct {
	withFile
	Version talos.Version `arg:"" help:"The version: its position in the log."`
	Address string        `help:"Where the host listens, for what waits; else http.listen of the settings." placeholder:"HOST:PORT"`
	NoSQL   bool          `name:"no-sql" help:"Do not convert the statemap, for which the guest is loaded here."`
	JSON    bool          `help:"Print it as JSON."`
}

// Run implements the verb.
func (c *quarantineShowCommand) Run(ctx context.Context) error {
	held, err := c.held(ctx, installer.Filter{Version: c.Version, Ended: true, Records: true})
	if err != nil {
		return err
	}
	if c.Version == 0 || len(held) == 0 {
		return fmt.Errorf("version %d is not in the quarantine: see ichor explain %d", c.Version, c.Version)
	}
	s := admin.HeldVersion{Held: &held[0]}
	if s.Held.Held {
		if s.Stands, err = explain(ctx, c.Address, c.Settings, c.Version); err != nil {
			s.NoHost = err.Error()
		}
	}
	s.ReadCandidate()
	if !c.NoSQL {
		c.convert(ctx, &s)
	}
	s.Foresee()
	if c.JSON {
		return printJSON(&stdout, &s)
	}
	printShown(&s)
	return nil
}

// convert has the guest that converted the version convert it once more, here.
func (c *quarantineShowCommand) convert(ctx context.Context, s *admin.HeldVersion) {
	switch {
	case s.Candidate == nil:
		s.NotConverted = "the record is lost"
	case s.Digest == "":
		s.NotConverted = "no guest was given it"
	default:
		result, err := c.convertBy(ctx, s)
		if err != nil {
			s.NotConverted = err.Error()
			return
		}
		s.Converted = result
	}
}

func (c *quarantineShowCommand) convertBy(ctx context.Context, s *admin.HeldVersion) (*guest.Outcome, error) {
	in, err := c.database()
	if err != nil {
		return nil, err
	}
	stored, err := in.ModuleOf(ctx, s.Digest)
	if err != nil {
		return nil, err
	}
	set, err := readSettings(c.Settings)
	if err != nil {
		return nil, err
	}
	record, err := readRecord(s.Candidate, uint64(s.Version))
	if err != nil {
		return nil, err
	}
	record.Safepoint = s.Safepoint
	fmt.Fprintf(os.Stderr, "module %.12s is loaded, to see what it makes of the statemap; --no-sql does without\n", s.Digest)
	m := &module{
		name: stored.Guest, bytes: stored.Bytes, options: set.Guests.limits(), metrics: guest.NewMetrics(prometheus.NewRegistry()),
		log: slog.New(slog.DiscardHandler),
	}
	m.options.Passes = rollout.LookUp{Installer: in} // a host took it, which takes seconds
	_ = equip(&m.options)                            // without a directory each look takes longer, and that is all
	g, err := m.load(ctx)
	if err != nil {
		return nil, err
	}
	defer m.close(g)
	var into guest.Conversions
	if err := g.Convert(ctx, []guest.Record{record}, &into); err != nil {
		return nil, err
	}
	result := into.Results[0].Outcome(g.Manifest())
	return &result, nil
}

// printShown writes it for people.
func printShown(s *admin.HeldVersion) {
	cleaned(s)
	h := s.Held
	since := h.FirstAt.UTC().Format(time.RFC3339)
	fmt.Fprintf(&stdout, "version   %d, held %s since %s, by any host (attempts of ichor explain are the transactions of one)\n", h.Version, often(h.Times), since)
	if h.Resolution != "" && h.ResolvedAt != nil {
		by := ""
		if h.ResolvedDigest != "" {
			by = " by module " + h.ResolvedDigest
		}
		fmt.Fprintf(&stdout, "ended     %s, %s%s\n", h.ResolvedAt.UTC().Format(time.RFC3339), strings.ReplaceAll(h.Resolution, "_", " "), by)
	}
	fmt.Fprintf(&stdout, "why       %s: %s\n", because(h), h.Message)
	fmt.Fprintf(&stdout, "hash      %s\n", h.Hash)
	fmt.Fprintf(&stdout, "record    xid %s, cohort %s, agent %s, safepoint %d\n", orNone(h.XID), orNone(h.Cohort), orNone(h.Agent), h.Safepoint)
	if h.Digest != "" {
		fmt.Fprintf(&stdout, "guest     %s\n", h.Digest)
	}
	fmt.Fprintf(&stdout, "keys      writes %s; reads %s\n", orNone(strings.Join(s.Writes, ", ")), cmp.Or(strings.Join(s.Reads, ", "), "nothing else"))
	switch {
	case s.Stands != nil && s.Stands.Radius != nil:
		fmt.Fprintf(&stdout, "waits     %s\n", s.Stands.Radius)
	case s.Stands != nil:
		fmt.Fprintf(&stdout, "stands    %s\n", s.Stands.Sentence)
	case s.NoHost != "":
		fmt.Fprintf(&stdout, "waits     not known: %s\n", s.NoHost)
	}
	fmt.Fprintf(&stdout, "retry     %s\nskip      %s\n", s.Retry, s.Skip)
	if s.Statemap != nil {
		fmt.Fprintf(&stdout, "statemap  %s\n", s.Statemap)
	}
	if s.Converted != nil {
		printOutcomes(&stdout, []guest.Outcome{*s.Converted})
	} else if s.NotConverted != "" {
		fmt.Fprintf(&stdout, "sql       not known: %s\n", s.NotConverted)
	}
}

// often says how many times.
func often(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
