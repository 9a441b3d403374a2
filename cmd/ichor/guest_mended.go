package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/talos"
)

// mendWait is how long a swap waits for the host to try again what was held, once the new module converts.
const mendWait = 10 * time.Second

// mending are the held versions of a guest that a new module may make good.
type mending struct {
	in     *installer.Installer
	digest string          // of the new module
	known  map[string]bool // the guest's modules before
	first  bool            // it had none that converts
	since  time.Time       // by the database, BEFORE it takes over: it may have been swapped in before, and mended something then
}

// mendingOf looks at the quarantine BEFORE the module takes over, so that what it mends can be told from what it had.
func mendingOf(ctx context.Context, in *installer.Installer, name, digest string, first bool) (*mending, error) {
	m := &mending{in: in, digest: digest, known: map[string]bool{}, first: first}
	const all = 1 << 20
	events, err := in.GuestEvents(ctx, name, all)
	if err != nil {
		return nil, err
	}
	for i := range events {
		m.known[events[i].Digest] = true
	}
	history, err := in.History(ctx)
	if err != nil {
		return nil, err
	}
	for _, u := range history {
		if u.Guest == name {
			m.known[u.Digest] = true
		}
	}
	delete(m.known, "") // of what could not be read; and no module is asked about a record that has none
	_, m.since, err = in.CountHeld(ctx)
	return m, err
}

// report waits until the new module has tried everything that is held of its guest, not longer than mendWait, and
// prints which versions it mended and how many are held still. It prints nothing where nothing was held, and that the
// cohort is paused where nothing is tried.
func (m *mending) report(ctx context.Context) error {
	if pause, err := m.in.InForce(ctx); err == nil && pause != nil { // what cannot be asked is said below
		fmt.Fprintf(&stdout, "the cohort is paused, by %s: %s; nothing is installed until ichor resume --pause %d, and what was read by now may be converted by the module before already: ichor guest history will say from which version on this one converts\n", pause.Who, pause.Reason, pause.ID)
		return nil
	}
	until := time.Now().Add(mendWait)
	held, untried, err := m.held(ctx)
	for err == nil && untried > 0 && time.Now().Before(until) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the new module converts; whether it mended what was held is not known yet, see ichor quarantine list: %w", ctx.Err())
		case <-time.After(askEvery):
		}
		held, untried, err = m.held(ctx)
	}
	var lowest []talos.Version
	var mended int
	if err == nil {
		lowest, mended, err = m.in.Mended(ctx, m.digest, m.since, shownMax)
	}
	if err != nil {
		return &failure{exitEnvironment, fmt.Errorf("the new module converts, and whether it mended what was held could not be asked, see ichor quarantine list: %w", err)}
	}
	if mended > 0 {
		fmt.Fprintf(&stdout, "mended %s: %s\n", counted(mended), listed(lowest, mended))
	}
	if held > 0 {
		tried := ""
		if untried > 0 {
			tried = fmt.Sprintf(", %d of which the new module did not try within %s", untried, mendWait)
		}
		fmt.Fprintf(&stdout, "held still of this guest: %s%s: see ichor quarantine list\n", counted(held), tried)
	}
	return nil
}

// listed writes versions, and how many more there are.
func listed(lowest []talos.Version, all int) string {
	words := make([]string, len(lowest))
	for i, v := range lowest {
		words[i] = v.String()
	}
	text := strings.Join(words, ", ")
	if n := all - len(lowest); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// counted writes how many versions there are.
func counted(n int) string {
	if n == 1 {
		return "1 version"
	}
	return fmt.Sprintf("%d versions", n)
}

// held counts the held versions that a module of the guest decides, and those of them that the new one did not try.
func (m *mending) held(ctx context.Context) (held, untried int, err error) {
	counts, _, err := m.in.CountHeld(ctx)
	for _, c := range counts {
		switch {
		case c.Digest == m.digest:
			held += c.Versions
		case m.known[c.Digest], m.first && c.Kind == string(rollout.ClassRefused):
			held += c.Versions
			untried += c.Versions
		}
	}
	return held, untried, err
}
