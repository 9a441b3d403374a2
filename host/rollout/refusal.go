package rollout

import (
	"errors"
	"log/slog"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/status"
)

// refusal is a guest's file that was not taken.
type refusal struct {
	status.Refusal
	mayPass bool // it was not the module's fault, and may go better
	wished  bool // a person wants another module: all is as it should be
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

// refuse notes a file that is not taken; it reports false when that is known already.
func (g *Guests) refuse(name, digest string, err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	before, known := g.refused[name]
	now := refusal{Refusal: status.Refusal{Digest: digest, Reason: err.Error(), At: status.Now()}, mayPass: digest == "" || !IsRefused(err) || isUnsigned(err)}
	if known && before.Digest == now.Digest && before.Reason == now.Reason {
		return false
	}
	g.refused[name] = now
	g.metrics.Swap(name, guest.SwapRefused)
	return true
}

// acceptAgain forgets that a module was passed over, or taken back: somebody asks for it again.
func (g *Guests) acceptAgain(name, digest string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused[name].Digest == digest {
		delete(g.refused, name)
	}
	if g.passed[name] == digest {
		delete(g.passed, name)
	}
}

// accept forgets a file that was not taken before: there is one in its place that is.
func (g *Guests) accept(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.refused, name)
}
