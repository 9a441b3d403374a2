package rollout

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/status"
)

// refusal is a guest's file that was not taken.
type refusal struct {
	status.Refusal
	wished bool // a person wants another module: all is as it should be
}

// UnavailableError says that what brings a guest's file does not answer.
type UnavailableError struct{ Err error }

// Error implements error.
func (e *UnavailableError) Error() string { return e.Err.Error() }

// Unwrap returns why.
func (e *UnavailableError) Unwrap() error { return e.Err }

// MayPass reports whether what kept guests from being made ready may pass by itself.
func MayPass(err error) bool {
	var unavailable *UnavailableError
	return errors.As(err, &unavailable) || installer.IsTransient(err)
}

// IsChanged reports whether the database has not what a host or a module needs: see installer.IsChanged.
func IsChanged(err error) bool {
	var module *guest.LoadError
	return errors.As(err, &module) && module.Step == guest.StepDatabase || installer.IsChanged(err)
}

// laterLevel is the level of a line about what is tried again: a database that is away is an outage, which has its own two
// lines.
func laterLevel(err error) slog.Level {
	if installer.IsTransient(err) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// IsRefused reports whether an error is the module's fault, so that only another will do better.
func IsRefused(err error) bool {
	var module *guest.LoadError
	var file *guest.FileError
	return errors.As(err, &module) || errors.As(err, &file)
}

// isUnsigned reports whether it is a signature that lacks, which may yet be put beside the file.
func isUnsigned(err error) bool {
	var unsigned *trust.SignatureError
	return errors.As(err, &unsigned)
}

// refuse notes a file that is not taken, for now or at all; it reports false when that is known already.
func (g *Guests) refuse(name, digest string, err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	before, known := g.refused[name]
	now := refusal{Refusal: status.Refusal{Digest: digest, Reason: err.Error(), At: status.Now(), Again: digest == "" || !IsRefused(err) || isUnsigned(err)}}
	if known && before.Digest == now.Digest && before.Reason == now.Reason {
		return false
	}
	if g.refused[name] = now; IsRefused(err) {
		g.metrics.Swap(name, guest.SwapRefused)
	}
	return true
}

// askedAgain reports whether somebody asks again for a module that was passed over, refused or taken back, and has said so in
// the database: that it was judged beside its place is not enough, and only where it was the database is asked.
func (g *Guests) askedAgain(ctx context.Context, name, digest string) bool {
	g.mu.Lock()
	judged := slices.ContainsFunc(g.judged[name], func(j status.Judgement) bool { return j.Accepted && j.Digest == digest }) || g.again[name] == digest
	if judged {
		g.again[name] = digest // its file leaves its place beside before it is asked for
	}
	g.mu.Unlock()
	if !judged {
		return false
	}
	if e, err := g.store.AskedFor(ctx, name, digest); err != nil || e.Who == "" { // what cannot be read now is in the next turn
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.again, name)
	if g.refused[name].Digest == digest {
		delete(g.refused, name)
	}
	delete(g.passed, name)
	return true
}

// accept forgets a file that was not taken before: there is one in its place that is.
func (g *Guests) accept(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.refused, name)
}
