package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/hosttest"
)

// publish puts a module into the guest directory as a kubelet does with a ConfigMap: banking.wasm leads to ..data/banking.wasm,
// and ..data to a directory of that revision, which another takes the place of.
func (h *handwritten) publish(revision string, module []byte) {
	h.t.Helper()
	in := func(name string) string { return filepath.Join(h.guests, name) }
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	must(os.Mkdir(in(revision), 0o755))
	must(os.WriteFile(filepath.Join(in(revision), "banking.wasm"), module, 0o644))
	must(os.Symlink(revision, in("..data_tmp")))
	must(os.Rename(in("..data_tmp"), in("..data")))
}

func TestAGuestOfAConfigMapIsSwappedWhenThatChanges(t *testing.T) {
	h := byHand(t)
	first, second := []byte(readExample(t, "banking/guest/banking-rust.wasm")), []byte(readExample(t, "banking/guest/banking-c.wasm"))
	file := filepath.Join(h.guests, "banking.wasm")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	h.publish("..1", first)
	if err := os.Symlink("..data/banking.wasm", file); err != nil {
		t.Fatal(err)
	}
	p := h.begin("run", "-c", h.settings)
	h.ready(p)
	h.commit(h.deposit("0001"))
	h.until(h.next-2, p)
	h.publish("..2", second)
	want := guest.DigestOf(second).String()[:12]
	out := ""
	hosttest.Until(t, func() bool {
		h.commit(h.deposit("0001")) // it takes over with a version
		_, out = h.ichor("status", "-c", h.settings)
		return strings.Contains(out, "guest      banking 1.0.0 ("+want+")")
	}, func() string { return "the new module does not convert:\n" + out })
	h.until(h.next-2, p)
}
