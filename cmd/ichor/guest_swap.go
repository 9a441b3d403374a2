package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/status"
)

type guestSwapCommand struct {
	withFile
	File    string        `arg:"" help:"The module." type:"path"`
	Name    string        `help:"The guest's name in the routes; else the file's, without .wasm."`
	Address string        `help:"Where the host listens; else http.listen of the settings." placeholder:"HOST:PORT"`
	Reason  string        `help:"Why, for ichor guest history." placeholder:"TEXT"`
	Timeout time.Duration `help:"How long to wait for the host to judge the module, and again to take it." default:"2m"`
}

// Run implements the verb.
func (c *guestSwapCommand) Run(ctx context.Context) error {
	s, err := readSettings(c.Settings)
	if err != nil {
		return &failure{exitSettings, err}
	}
	name := nameOf(c.Name, c.File)
	if c.Settings == "" {
		return &failure{exitSettings, errors.New("a swap needs the host's settings, -c FILE, for it writes to the directory of its guests and to its database; --address beside them names another host than http.listen")}
	}
	if !routed(s.Guests.Routes, name) {
		return &failure{exitSettings, fmt.Errorf("no route of the settings names a guest %q: give its name with --name", name)}
	}
	module, err := trust.Read(c.File)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	signatures, err := module.SignatureText()
	if err != nil {
		return &failure{exitEnvironment, fmt.Errorf("%s: %w", trust.SignatureFile(c.File), err)}
	}
	in, err := c.database()
	if err != nil {
		return err
	}
	now, err := c.status(ctx)
	if err == nil {
		err = owns(now)
	}
	if err != nil { // BEFORE anything is written: nobody would judge it
		return fmt.Errorf("nothing was changed: %w", err)
	}
	staged, err := stage(module.Bytes, signatures, s.Guests.Directory, name)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	defer os.Remove(staged) // it is gone after the rename
	defer os.Remove(trust.SignatureFile(staged))
	digest := module.Digest.String()
	fmt.Fprintf(os.Stderr, "the host judges %s %s: it compiles it, runs its vectors and tries its SQL in the database\n", name, digest[:12])
	var after *status.Status // that it was accepted
	judged := accepted(name, module)
	sees := func(s *status.Status) (bool, error) { after = s; return judged(s) }
	if err := c.await(ctx, sees, fmt.Sprintf("the host is still judging %s, or does not see it: give it longer with --timeout, read in its log what keeps it, and see whether its guests.directory is %s", digest[:12], s.Guests.Directory),
		"the host does not answer any more: swap again when one runs"); err != nil {
		var no *notTaken
		if errors.As(err, &no) { // as a host that refuses a file writes it down; what came between is no refusal
			err = errors.Join(err, in.AddGuestEvents(ctx, installer.GuestEvent{Guest: name, Digest: digest, State: installer.GuestRefused, Who: operator(), Reason: strings.TrimPrefix(c.Reason+": "+no.why, ": ")}))
		}
		return fmt.Errorf("nothing was changed: %w", err)
	}
	// A judgement takes seconds: who went back to another module, or swapped one in, meanwhile must not be undone unawares.
	if was, is := current(now, name), current(after, name); was != nil && is != nil && was.Digest != is.Digest && is.Digest != digest {
		return &failure{exitRuntime, fmt.Errorf("nothing was changed: while %s was judged, %.12s came in the place of %.12s (who had it done is in ichor guest history): swap again if %s is still the one to go on with", digest[:12], is.Digest, was.Digest, digest[:12])}
	}
	return c.take(ctx, &swapping{in: in, name: name, module: module, now: after, staged: staged, directory: s.Guests.Directory, versions: s.Guests.Probation.Versions, signed: signatures != ""})
}

// swapping is a module that the host would take.
type swapping struct {
	in        *installer.Installer
	name      string // the guest's
	module    trust.Module
	now       *status.Status // before anything was changed
	staged    string         // the file
	signed    bool           // its signatures lie beside it
	directory string         // where its place is
	versions  int            // of a probation
}

// take puts the module in its place and waits until the host converts by it, or compares it.
func (c *guestSwapCommand) take(ctx context.Context, w *swapping) error {
	name, digest := w.name, w.module.Digest.String()
	first := current(w.now, name)
	if first == nil || first.Digest != digest { // BEFORE the file is there, so that it is durable before it converts
		asked := installer.GuestEvent{Guest: name, Digest: digest, State: installer.GuestAsked, Who: operator(), Reason: c.Reason}
		if err := installer.Patiently(ctx, func() error { return w.in.AddGuestEvents(ctx, asked) }); err != nil {
			return &failure{exitEnvironment, fmt.Errorf("nothing was changed: %w", err)}
		}
	}
	var mending *mending
	err := installer.Patiently(ctx, func() (err error) {
		mending, err = mendingOf(ctx, w.in, name, digest, first == nil)
		return err
	})
	place := filepath.Join(w.directory, name+".wasm")
	if err == nil {
		err = put(w.staged, place, w.signed)
	}
	if err != nil {
		// Else whatever brings the same module later would be this swap's.
		no := installer.GuestEvent{Guest: name, Digest: digest, State: installer.GuestRefused, Who: operator(), Reason: "its file could not be put in place: " + err.Error()}
		return &failure{exitEnvironment, errors.Join(fmt.Errorf("the module before goes on: put the new one in place: %w", err), w.in.AddGuestEvents(ctx, no))}
	}
	trial, converting := onProbation(w.now, name, digest, w.versions), false
	taken := func(s *status.Status) (bool, error) {
		if err := owns(s); err != nil {
			return false, fmt.Errorf("the file is in place, and the host has not said that it takes it: an owner that has the same guests.directory does (ichor guest history says); %w", err)
		}
		done, err := converts(name, digest, refusalOf(w.now, name))(s)
		if there, unread := guest.DigestFile(place); !done && err == nil && unread == nil && there != w.module.Digest {
			err = fmt.Errorf("another module, %s, was put in the place of %s meanwhile, as another swap does: whether this one converted anything is in ichor guest history; swap again if it is the one to go on with", there.Short(), digest[:12])
		}
		if g := current(s, name); done && g != nil {
			converting = g.Digest == digest // else it is compared first
		}
		return done, err
	}
	err = c.await(ctx, taken, fmt.Sprintf("the host would take %s, and the file is in place; it takes it with the next version that it converts: see ichor status", digest[:12]),
		"the file is in place, and the host does not answer any more: the next one that owns the cohort takes it from there, if it has the same guests.directory (ichor guest history says); who wants none of it puts the file of the module before in its place first")
	if err != nil || !converting {
		return err
	}
	if trial > 0 {
		w.onTrial(ctx, trial)
	}
	return mending.report(ctx)
}

// onTrial prints for how many versions the module is on probation; not where somebody gave the cohort back to it meanwhile, who is
// said instead.
func (w *swapping) onTrial(ctx context.Context, versions int) {
	by, _, err := w.in.Wanted(ctx, w.name)
	if err == nil && by.Digest == w.module.Digest.String() && by.Who != installer.WhoFile {
		fmt.Fprintf(&stdout, "%s gave the cohort back to it (%s): it is on no probation\n", by.Who, by.Reason)
		return
	}
	fmt.Fprintf(&stdout, "it is on probation for its first %d versions: the module before converts again by itself if it does worse, see guests.probation of the settings and ichor guest history\n", versions)
}

// current returns the generation by which a guest converts what comes next, nil if there is none. Others may
// still be busy, or be ready to be taken back to.
func current(s *status.Status, name string) (newest *status.Guest) {
	for i := range s.Guests {
		if g := &s.Guests[i]; g.Guest == name && g.From != 0 && (newest == nil || g.From >= newest.From) {
			newest = g
		}
	}
	return newest
}

func routed(routes []rollout.Route, name string) bool {
	for _, r := range routes {
		if r.Guest == name {
			return true
		}
	}
	return false
}

// stage writes the module beside its place, where the host judges it, and its signatures beside it.
func stage(module []byte, signatures, directory, name string) (path string, err error) {
	if err := rollout.RemoveStale(directory, name); err != nil {
		return "", err
	}
	const unread = ".swap-" // by any host, until it is whole
	file, err := os.CreateTemp(directory, unread+"*")
	if err != nil {
		return "", err
	}
	path = filepath.Join(directory, rollout.CandidateName(name, strings.TrimPrefix(filepath.Base(file.Name()), unread)))
	if _, err = file.Write(module); err == nil {
		err = file.Chmod(0o644)
	}
	if err = errors.Join(err, file.Close()); err == nil && signatures != "" {
		err = os.WriteFile(trust.SignatureFile(path), []byte(signatures), 0o644)
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(trust.SignatureFile(path)) // it may not be there
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return path, nil
}

// put has a staged module take its place, with its signatures if there are some: BEFORE the module, for one that lies
// there without is refused.
func put(staged, place string, signed bool) error {
	if signed {
		if err := os.Rename(trust.SignatureFile(staged), trust.SignatureFile(place)); err != nil {
			return err
		}
	}
	return os.Rename(staged, place)
}

// owns returns an error when the host stands by, or waits for another to take the cohort that it gave away: it judges
// no module then and takes none. It may have given the cohort away since it was asked last.
func owns(s *status.Status) error {
	switch s.Phase {
	case status.PhaseUnowned:
		return fmt.Errorf("nobody owns the cohort, so that nobody would judge it (%s): try again when a host does", s.Readiness.Detail)
	case status.PhaseStandby:
	default:
		return nil
	}
	return fmt.Errorf("this host stands by, so that nobody would judge it (%s): give the owner's settings, or its --address beside these", s.Readiness.Detail)
}

// notTaken says why a host that judged a module does not take it.
type notTaken struct{ guest, digest, why string }

// Error implements error.
func (n *notTaken) Error() string {
	return fmt.Sprintf("the host does not take %s %s, the one before goes on: %s", n.guest, n.digest, n.why)
}

// accepted tells from a status whether the host would take a module.
func accepted(name string, module trust.Module) func(*status.Status) (bool, error) {
	return func(s *status.Status) (bool, error) {
		if err := owns(s); err != nil {
			return false, err
		}
		for _, g := range s.Guests {
			for _, j := range g.Judged {
				if g.Guest != name || j.Digest != module.Digest.String() || j.Signatures != module.SignatureDigest() {
					continue
				}
				if !j.Accepted {
					return false, &notTaken{name, module.Digest.Short(), j.Reason}
				}
				return true, nil
			}
		}
		return false, nil
	}
}

// onProbation returns for how many versions a module will be on probation that takes the place of what converts in a
// status; 0 for none. A guest's first one has nobody to be taken back to, and what is loaded still may be the module that
// the newest one is held against: going back to that is no trial.
func onProbation(s *status.Status, name, digest string, versions int) int {
	if current(s, name) == nil {
		return 0
	}
	for i := range s.Guests {
		if g := &s.Guests[i]; g.Guest == name && g.Digest == digest {
			return 0
		}
	}
	return versions
}

// refusalOf returns when a file of a guest was not taken the last time, as the host says it; 0 for never.
func refusalOf(s *status.Status, name string) (at int64) {
	for i := range s.Guests {
		if g := &s.Guests[i]; g.Guest == name && g.Refused != nil {
			at = max(at, g.Refused.At)
		}
	}
	return at
}

// converts tells from a status whether the host has taken a module, and prints from where on. What was refused before, it may
// have refused then.
func converts(name, digest string, before int64) func(*status.Status) (bool, error) {
	return func(s *status.Status) (bool, error) {
		if g := current(s, name); g != nil && g.Digest == digest {
			fmt.Fprintf(&stdout, "%s %s converts from version %d on\n", name, digest[:12], g.From)
			return true, nil
		}
		for _, g := range s.Guests {
			if sh := g.Shadow; g.Guest == name && sh != nil && sh.Digest == digest && (g.Refused == nil || g.Refused.Digest != digest || g.Refused.At <= before) {
				fmt.Fprintf(&stdout, "%s %s is compared over %d versions before it converts: see ichor guest shadow %s\n", name, digest[:12], sh.Of, name)
				return true, nil
			}
			if r := g.Refused; g.Guest == name && r != nil && r.Digest == digest && r.At > before && !r.Again {
				return false, fmt.Errorf("the host did not take %s %s after all, the one before goes on: %s", name, digest[:12], g.Refused.Reason)
			}
		}
		return false, nil
	}
}

func (c *guestSwapCommand) status(ctx context.Context) (*status.Status, error) {
	text, err := ask(ctx, c.Address, c.Settings, "/v1/status")
	if err != nil {
		return nil, err
	}
	s := new(status.Status)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("the answer is no status of a host: %w", err)
	}
	return s, nil
}

// await asks the host until its status says how it went. When the time is over it says what the
// host is doing instead, and when nobody answers what becomes of the module.
func (c *guestSwapCommand) await(ctx context.Context, told func(*status.Status) (bool, error), meanwhile, silent string) error {
	bounded, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	for {
		s, err := c.status(bounded)
		if err != nil {
			err = fmt.Errorf("%s: %w", silent, err)
		} else {
			var done bool
			if done, err = told(s); done {
				return err
			}
		}
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("interrupted: %s (%w)", meanwhile, ctx.Err())
		case bounded.Err() != nil: // and whatever else went wrong, did by that
			return fmt.Errorf("after %s %s", c.Timeout, meanwhile)
		case err != nil:
			return err
		}
		select {
		case <-bounded.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}
