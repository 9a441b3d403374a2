package rollout

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/installer"
)

// TestFileReplacedBetweenHashAndCompile replaces a pinned and signed file after it was read: what was
// trusted is what is compiled.
func TestFileReplacedBetweenHashAndCompile(t *testing.T) {
	good := guesttest.Small(t)
	bad := append(append([]byte(nil), good...), 0, 6, 5, 'o', 't', 'h', 'e', 'r') // a custom section
	key, err := trust.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := trust.Sign(key, guest.DigestOf(good), "banking")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	place := filepath.Join(dir, "banking.wasm")
	put := func(module []byte) {
		t.Helper()
		if err := errors.Join(os.WriteFile(place, module, 0o600), os.WriteFile(trust.SignatureFile(place), []byte(signature.String()), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	opts := Options{Directory: dir, Routes: []Route{{Cohort: "*", Guest: "banking"}}, Limits: guest.Options{CacheDir: guesttest.CacheDir(t)}}
	opts.Trust = trust.Policy{Pins: map[string][]guest.Digest{"banking": {guest.DigestOf(good)}}, Keys: []trust.PublicKey{key.Public()}}
	g := New(opts, nil, guest.NoMetrics(), slog.New(slog.DiscardHandler))

	put(good)
	module, err := g.read("banking")
	if err != nil {
		t.Fatal(err)
	}
	put(bad)
	if _, err := opts.Trust.Check("banking", module); err != nil {
		t.Fatal(err)
	}
	generation, err := guest.Load(t.Context(), "banking", module.Bytes, opts.Limits, g.log, g.metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer g.free(generation)
	if generation.Digest() != guest.DigestOf(good) {
		t.Errorf("what is compiled has digest %s, what was trusted %s", generation.Digest().Short(), guest.DigestOf(good).Short())
	}
	var pin *trust.PinError
	if err := g.keepSpare(t.Context(), "banking", mustRead(t, g)); !errors.As(err, &pin) || pin.Digest != guest.DigestOf(bad) {
		t.Errorf("the file that took its place: %v", err)
	}
}

func mustRead(t *testing.T, g *Guests) trust.Module {
	t.Helper()
	module, err := g.read("banking")
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// TestReadyModuleNeedsItsOwnSignature has a generation ready by a file that was signed, and then one of
// the same bytes that is not.
func TestReadyModuleNeedsItsOwnSignature(t *testing.T) {
	key, err := trust.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Routes: []Route{{Cohort: "*", Guest: "banking"}}, Trust: trust.Policy{Keys: []trust.PublicKey{key.Public()}}}
	g := New(opts, nil, guest.NoMetrics(), slog.New(slog.DiscardHandler))
	module := trust.NewModule([]byte("a module"), "")
	g.spare["banking"+module.Digest.String()] = spare{Generation: new(guest.Generation)}
	var unsigned *trust.SignatureError
	if err := g.keepSpare(t.Context(), "banking", module); !errors.As(err, &unsigned) {
		t.Errorf("to keep it ready: %v", err)
	}
	if _, _, err := g.load(t.Context(), 0, module, 1); !errors.As(err, &unsigned) {
		t.Errorf("to take it: %v", err)
	}
	_, err = g.opts.Trust.Check("banking", module)
	g.refuse("banking", module.Digest.String(), err)
	if !g.refused["banking"].Again {
		t.Error("a signature that comes after the module is not waited for")
	}
}

// TestThePastNeedsNoSignature loads a module that converted before anybody signed: what the history names by its digest is held
// against the log whatever keys there are today. What lies there to convert next needs one still.
func TestThePastNeedsNoSignature(t *testing.T) {
	key, err := trust.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	dir, module := t.TempDir(), guesttest.Small(t)
	digest := guest.DigestOf(module).String()
	opts := Options{
		Directory: dir, Routes: []Route{{Cohort: "*", Guest: "banking"}}, Limits: guest.Options{CacheDir: guesttest.CacheDir(t)},
		Trust: trust.Policy{Keys: []trust.PublicKey{key.Public()}},
	}
	a, err := NewArchive(opts, nil, Past{History: cohort.History{{Guest: "banking", Digest: digest, From: 1}}}, func(context.Context, string) (installer.Module, error) {
		return installer.Module{Guest: "banking", Digest: digest, Bytes: module}, nil
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	a.opts.Limits.Passes = nil
	if _, err := a.Load(t.Context(), digest); err != nil {
		t.Errorf("what converted in the past: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "banking.wasm"), module, 0o600); err != nil {
		t.Fatal(err)
	}
	var unsigned *trust.SignatureError
	if _, err := NewCurrent(opts, nil, slog.New(slog.DiscardHandler)); !errors.As(err, &unsigned) {
		t.Errorf("what is to convert next: %v", err)
	}
}
