package rollout

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/rollout/shadow"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Shadow says what a file's module must show before it converts: beside the one that converts it is given the same
// versions, and what both make of them is compared. The zero value is nothing.
type Shadow struct {
	Versions    int // that are compared; 0 is no shadow
	Differences int // that there may be at most
	// Expected are differences that a person has confirmed, each by the sha256:… that names two modules and what is
	// different between them, whatever versions they were compared over.
	Expected []string
}

// shadowing is a module that is compared, or was compared last. What does not change is the fields of the
// first group.
type shadowing struct {
	loaded *Loaded
	module trust.Module
	asked  asked
	lay    string // the digest of the guest's file when an upload began to be compared: that one waits

	calling sync.Mutex // while it converts; it is closed by who has it
	seen    map[talos.Version]bool
	of      *shadow.Comparison

	report shadow.Report // under Guests.mu, like the rest
	beside string        // the digest of the one that it is compared with
	missed int           // versions that it was not given, since it was busy
	ended  bool
}

// asked says who wants a module, by which request, and why. A file's has no request; who put it there is known where
// they said so.
type asked struct {
	request  int64
	who, why string
}

// armedBy returns who arms the module. Of a file it is the file, whoever put it there: a start tells by that which file
// was taken last.
func (a asked) armedBy() string {
	if a.request == 0 {
		return installer.WhoFile
	}
	return a.who
}

// anotherCame is why a comparison ends that another module replaces.
const anotherCame = "another module came while it was compared"

// firstDifferences is how many differences are kept for people.
const firstDifferences = 10

// besides is what the generation that converts made of some versions.
type besides struct {
	by      *Loaded
	records []guest.Record
	results []guest.Conversion
}

// Beside shows to the shadow of a guest, if there is one, what the generation that converts made of versions. It
// never waits: while the shadow is busy it is shown nothing.
func (g *Guests) Beside(by *Loaded, records []guest.Record, results []guest.Conversion) {
	if !g.shadowed.Load() {
		return
	}
	g.mu.Lock()
	s := g.shadows[by.Guest]
	wanted := s != nil && !s.ended && s.report.Compared < g.opts.Shadow.Versions && g.newest[by.Guest] == by.Digest
	g.mu.Unlock()
	if !wanted {
		return
	}
	b := besides{by: by, records: slices.Clone(records[:len(results)]), results: slices.Clone(results)}
	for i := range b.results { // their room is used again
		b.results[i].Statements = slices.Clone(b.results[i].Statements)
	}
	select {
	case g.beside <- b:
	default:
		g.mu.Lock()
		s.missed += len(results)
		g.mu.Unlock()
	}
}

// RunShadows is the goroutine that has shadows convert what they are shown.
func (g *Guests) RunShadows(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-g.beside:
			g.mu.Lock()
			s := g.shadows[b.by.Guest]
			g.mu.Unlock()
			if s != nil {
				g.compare(ctx, s, &b)
			}
		}
	}
}

// compare has a shadow convert versions and compares.
func (g *Guests) compare(ctx context.Context, s *shadowing, b *besides) {
	s.calling.Lock()
	defer s.calling.Unlock()
	g.mu.Lock()
	ended := s.ended
	g.mu.Unlock()
	if ended {
		return
	}
	var out guest.Conversions
	if err := s.loaded.Generation.Convert(ctx, b.records, &out); err != nil {
		if ctx.Err() == nil {
			g.log.Warn("a guest in shadow does not convert", "guest", s.loaded.Name, "digest", s.loaded.Short(), "error", err)
		}
		return
	}
	for i := range out.Results {
		v := b.records[i].Version
		if s.seen[v] || len(s.seen) >= g.opts.Shadow.Versions {
			continue
		}
		s.seen[v] = true
		s.of.Add(shadow.Compare(&b.records[i], b.by.side(&b.results[i]), s.loaded.side(&out.Results[i])))
	}
	g.mu.Lock()
	s.report = s.of.Report()
	g.mu.Unlock()
	if len(s.seen) >= g.opts.Shadow.Versions {
		g.wake()
	}
}

// beginShadow loads a module to be compared.
func (g *Guests) beginShadow(ctx context.Context, index cohort.GuestID, module trust.Module, by asked) error {
	g.endShadow(index, anotherCame)
	l, err := g.loadChecked(ctx, index, module)
	if err != nil {
		return err
	}
	s := &shadowing{loaded: l, module: module, asked: by, seen: map[talos.Version]bool{}, of: shadow.NewComparison(firstDifferences)}
	if by.request != 0 {
		s.lay = g.lies(l.Name)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s.beside = g.newest[index]
	g.shadows[index] = s
	g.shadowed.Store(true)
	g.noteLocked(installer.GuestEvent{Guest: l.Name, Digest: l.Digest, State: installer.GuestShadow, Who: by.who, Reason: strings.TrimPrefix(fmt.Sprintf("%s: compared over %d versions", by.why, g.opts.Shadow.Versions), ": ")})
	g.log.Info("the new guest converts in shadow", "guest", l.Name, "digest", l.Short(), "versions", g.opts.Shadow.Versions)
	return nil
}

// endShadow closes the module of a guest that is compared, if there is one; why is for who asked for it.
func (g *Guests) endShadow(index cohort.GuestID, why string) {
	g.mu.Lock()
	s := g.shadows[index]
	g.shadows[index] = nil
	if s != nil && !s.ended {
		g.noteLocked(installer.GuestEvent{Guest: s.loaded.Name, Digest: s.loaded.Digest, State: installer.GuestRefused, Who: installer.WhoIchor, Reason: why})
		if s.asked.request != 0 {
			g.answers = append(g.answers, Armed{Request: s.asked.request, Refused: why})
		}
	}
	g.mu.Unlock()
	if s != nil {
		g.closeShadow(s)
	}
}

// endShadowOf does the same where it is the file's module that is compared. What was seen of one that was taken stays
// to be shown.
func (g *Guests) endShadowOf(index cohort.GuestID) {
	g.mu.Lock()
	s := g.shadows[index]
	gone := s != nil && s.asked.request == 0 && s.loaded.Digest != g.newest[index]
	g.mu.Unlock()
	if gone {
		g.endShadow(index, "its file is gone again")
	}
}

// closeShadow ends a comparison and closes its module, after its last call.
func (g *Guests) closeShadow(s *shadowing) {
	s.calling.Lock()
	defer s.calling.Unlock()
	g.mu.Lock()
	s.ended = true
	g.mu.Unlock()
	g.forget(s.loaded)
}

// keptByShadow reports whether a guest's file is compared now, or waits for one that was sent while it lay there.
func (g *Guests) keptByShadow(index cohort.GuestID, digest string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.shadows[index]
	return s != nil && !s.ended && (s.loaded.Digest == digest || s.lay == digest)
}

// judgeShadow ends a comparison that has seen all that it should: the module is armed, or refused with what
// differs.
func (g *Guests) judgeShadow(ctx context.Context, index cohort.GuestID) *Armed {
	g.mu.Lock()
	s := g.shadows[index]
	if s == nil || s.ended || s.report.Compared < g.opts.Shadow.Versions {
		g.mu.Unlock()
		return nil
	}
	report, name, digest, current := s.report, s.loaded.Name, s.loaded.Digest, g.newest[index]
	differences := g.differences(s)
	g.mu.Unlock()
	said := fmt.Sprintf("in shadow %d of %d versions differ", report.Against(), report.Compared)
	if report.OldRejected > 0 {
		said += fmt.Sprintf(", and it converts %d that the one before rejected", report.OldRejected)
	}
	if report.Against() > g.opts.Shadow.Differences && (differences == "" || !slices.Contains(g.opts.Shadow.Expected, differences)) {
		return g.refuseShadow(s, &guest.LoadError{Guest: name, Step: guest.StepShadow, What: fmt.Sprintf("%s, at most %d may: ichor guest shadow shows them; who expects what differs between these two modules says so by guests.shadow.expected: [%s] in the settings of a host that starts, and by ichor handover to that one",
			said, g.opts.Shadow.Differences, differences)})
	}
	if differences != "" {
		said += ", " + differences
	}
	var also []installer.GuestEvent
	var err error
	if s.asked.request != 0 {
		also, err = g.passing(ctx, name, digest, current, s.asked)
	}
	var l *Loaded
	if err == nil {
		l, err = g.loadFor(ctx, index, s.module, s.asked.armedBy(), strings.TrimPrefix(s.asked.why+": "+said, ": "), also...)
	}
	switch {
	case err != nil && ctx.Err() == nil && IsRefused(err): // the tables are others since it was loaded
		return g.refuseShadow(s, err)
	case err != nil:
		if ctx.Err() == nil {
			g.log.Log(ctx, laterLevel(err), "a guest that was compared is taken later", "guest", name, "error", err)
		}
		return nil
	}
	g.closeShadow(s)
	if s.asked.request == 0 {
		g.accept(name)
	} else {
		g.passOverFile(name, digest, s.asked.who, s.asked.why)
	}
	return &Armed{Guest: l.Guest, Generation: l.ID, Request: s.asked.request}
}

// refuseShadow ends a comparison after which the module is not taken, and returns the answer to who asked for it, nil for a file.
func (g *Guests) refuseShadow(s *shadowing, err error) *Armed {
	name, digest := s.loaded.Name, s.loaded.Digest
	g.closeShadow(s)
	if s.asked.request == 0 && !g.refuse(name, digest, err) {
		return nil
	}
	g.log.Error("the new guest is not taken; the one before goes on", "guest", name, "error", err)
	g.note(installer.GuestEvent{Guest: name, Digest: digest, State: installer.GuestRefused, Who: s.asked.who, Reason: err.Error()})
	if s.asked.request == 0 {
		return nil
	}
	return &Armed{Request: s.asked.request, Refused: err.Error()}
}

// differences names what differs between the module that converts and the one that is compared, for people to confirm;
// empty if nothing does. g.mu is held.
func (g *Guests) differences(s *shadowing) string {
	if s.report.Shapes == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s.beside + " " + s.loaded.Digest + " " + s.report.Shapes))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// shadowStatus is what /v1/status says of a comparison; nil for none. g.mu is held.
func (g *Guests) shadowStatus(index cohort.GuestID) *status.Shadow {
	s := g.shadows[index]
	if s == nil {
		return nil
	}
	r := &s.report
	out := &status.Shadow{
		Digest: s.loaded.Digest, Beside: s.beside, Of: g.opts.Shadow.Versions, Compared: r.Compared, Missed: s.missed,
		Same: r.Same, Differ: r.Differ, NewRejects: r.NewRejects, OldRejected: r.OldRejected, Differences: g.differences(s),
	}
	for i := range r.First {
		if text, err := json.Marshal(&r.First[i]); err == nil {
			out.First = append(out.First, text)
		}
	}
	return out
}
