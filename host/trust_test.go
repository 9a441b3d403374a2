package host_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
)

// signer is a key whose signatures a bank's host wants.
type signer struct {
	trust.PrivateKey
	b *bank
}

func (b *bank) wantsSignatures() signer {
	b.t.Helper()
	key, err := trust.GenerateKey()
	if err != nil {
		b.t.Fatal(err)
	}
	b.options.Guests.Trust.Keys = []trust.PublicKey{key.Public()}
	return signer{key, b}
}

// sign puts the signature of a module beside the place of a guest.
func (s signer) sign(name string, module []byte) {
	s.b.t.Helper()
	signature, err := trust.Sign(s.PrivateKey, guest.DigestOf(module), name)
	if err == nil {
		err = os.WriteFile(trust.SignatureFile(filepath.Join(s.b.guests, name+".wasm")), []byte(signature.String()+"\n"), 0o644)
	}
	if err != nil {
		s.b.t.Fatal(err)
	}
}

// refuses runs a host that ends with an error about its guests, and returns that.
func (b *bank) refuses() error {
	b.t.Helper()
	h, err := host.New(b.options, b.logger(), prometheus.NewRegistry())
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(b.t.Context(), 2*time.Minute)
	defer stop()
	err = h.Run(ctx)
	var load *guest.LoadError
	if !errors.As(err, &load) || load.Step != guest.StepVerify {
		b.t.Fatalf("the host ends with %v", err)
	}
	return err
}

func (b *bank) checksAs(want string) {
	b.t.Helper()
	for f := range host.Check(b.t.Context(), b.options, time.Minute, 0) {
		if f.What == "guest banking" {
			if said := fmt.Sprint(f.Note, f.Err); !strings.Contains(said, want) {
				b.t.Errorf("check says %q of the guest, want %q", said, want)
			}
			return
		}
	}
	b.t.Error("check says nothing of the guest")
}

func TestGuestThatIsNotPinnedIsRefused(t *testing.T) {
	b := newBank(t, 3)
	b.send(message("Other", "position 0"))
	module := guesttest.Small(t)
	next, strange := stamped(module, 1), stamped(module, 2)
	pins := func(modules ...[]byte) {
		var all []guest.Digest
		for _, m := range modules {
			all = append(all, guest.DigestOf(m))
		}
		b.options.Guests.Trust.Pins = map[string][]guest.Digest{"banking": all}
	}
	pins(next)
	for _, digest := range []guest.Digest{guest.DigestOf(module), guest.DigestOf(next)} {
		b.checksAs("sha256:" + digest.String())
		if err := b.refuses(); !strings.Contains(err.Error(), "sha256:"+digest.String()) {
			t.Errorf("%v does not name %s", err, digest)
		}
	}
	b.eventually("(0)", "select count(*) from ichor.guest_module")

	pins(module, next)
	b.checksAs("digest " + guest.DigestOf(module).Short())
	r := b.start()
	last := b.transfers(0, 10)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	b.install("banking", strange)
	r.shows("/v1/status", "sha256:"+guest.DigestOf(strange).String()+", and guests.pins.banking is sha256:"+guest.DigestOf(module).String())
	b.install("banking", next)
	r.shows("/v1/status", `"guest":"banking","digest":"`+guest.DigestOf(next).String())
	last = b.transfers(10, 10)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	b.eventually("(2)", "select count(*) from ichor.guest_history")
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	// What the history names does not go on without its pin either.
	pins(strange)
	if err := b.refuses(); !strings.Contains(err.Error(), "cannot go on") {
		t.Error(err)
	}
}

func TestGuestThatNoKeySignedIsRefused(t *testing.T) {
	b := newBank(t, 3)
	b.send(message("Other", "position 0"))
	key := b.wantsSignatures()
	module := guesttest.Small(t)
	next := stamped(module, 1)
	b.checksAs("it has no signature")
	if err := b.refuses(); !strings.Contains(err.Error(), "it has no signature") {
		t.Error(err)
	}
	key.sign("banking", next)
	if err := b.refuses(); !strings.Contains(err.Error(), "its signature is of another module") {
		t.Error(err)
	}
	key.sign("banking", module)
	b.checksAs("signed by key " + key.Public().ID())
	r := b.start()
	last := b.transfers(0, 10)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	b.eventually("(1)", "select count(*) from ichor.guest_module where signatures like 'ed25519 "+key.Public().ID()+" sha256:' || digest || ' % banking'")

	// A signature may come after its module.
	b.install("banking", next)
	r.shows("/v1/status", "its signature is of another module")
	key.sign("banking", next)
	r.shows("/v1/status", `"guest":"banking","digest":"`+guest.DigestOf(next).String())
	last = b.transfers(10, 10)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	// The file is refused, and what the database has of the history goes on by the signature that was kept with it.
	b.install("banking", stamped(module, 2))
	r = b.start()
	r.shows("/readyz", "refused at verify: it is not signed")
	last = b.transfers(20, 10)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	// And not without.
	b.exec("update ichor.guest_module set signatures = null")
	if err := b.refuses(); !strings.Contains(err.Error(), "cannot go on") {
		t.Error(err)
	}
	b.exec("update ichor.guest_module set signatures = 'x'")
	if err := b.refuses(); !strings.Contains(err.Error(), "its signatures cannot be read") {
		t.Error(err)
	}
	b.options.Guests.Trust.Unsigned = true
	b.start()
	last = b.transfers(30, 10)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	if !strings.Contains(b.log.text(), "NO KEY SIGNED") {
		t.Error("a host that takes what is not signed does not say so")
	}
}
