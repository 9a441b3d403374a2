package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

// author is somebody at a command line, without a deployment.
type author struct {
	*deployment
	dir string
}

func newAuthor(t *testing.T) *author { return &author{&deployment{t: t}, t.TempDir()} }

func (a *author) path(name string) string { return filepath.Join(a.dir, name) }

func (a *author) write(name string, content []byte) string {
	a.t.Helper()
	if err := os.WriteFile(a.path(name), content, 0o600); err != nil {
		a.t.Fatal(err)
	}
	return a.path(name)
}

// says runs the command and looks at its exit code and at what it says.
func (d *deployment) says(code int, want string, args ...string) string {
	d.t.Helper()
	is, out := d.ichor(args...)
	if is != code || !strings.Contains(out, want) {
		d.t.Errorf("ichor %s ends with %d and says %s, want %d and %q", strings.Join(args, " "), is, out, code, want)
	}
	return out
}

func TestKeysAreMadeOnceAndKeptSecret(t *testing.T) {
	a := newAuthor(t)
	key := a.path("bank.key")
	out := a.says(exitOK, "keep it secret", "guest", "keygen", key)
	for name, mode := range map[string]fs.FileMode{"bank.key": 0o600, "bank.key.pub": 0o644} {
		if info, err := os.Stat(a.path(name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	private, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil || !strings.Contains(out, strings.TrimSpace(string(public))) || strings.Contains(out, strings.Split(string(private), "\n")[1]) {
		t.Errorf("it says %s, %v", out, err)
	}
	// Neither of the two is ever overwritten, also when only one is there.
	a.says(exitEnvironment, "never overwritten", "guest", "keygen", key)
	if err := os.Remove(key + ".pub"); err != nil {
		t.Fatal(err)
	}
	a.says(exitEnvironment, "never overwritten", "guest", "keygen", key)
	if again, err := os.ReadFile(key); err != nil || !bytes.Equal(again, private) || exists(key+".pub") {
		t.Errorf("the private key was changed, %v", err)
	}
	a.write("other.key.pub", public)
	a.says(exitEnvironment, "never overwritten", "guest", "keygen", a.path("other.key"))
	if exists(a.path("other.key")) {
		t.Error("a private key is left that has no public one")
	}
	a.says(exitEnvironment, "no such file", "guest", "keygen", a.path("none/bank.key"))
}

func TestModuleIsSignedAndVerified(t *testing.T) {
	a := newAuthor(t)
	key, other := a.path("bank.key"), a.path("other.key")
	a.says(exitOK, "", "guest", "keygen", key)
	a.says(exitOK, "", "guest", "keygen", other)
	module := a.write("banking.wasm", []byte("a module that nobody reads"))
	digest := guest.DigestOf([]byte("a module that nobody reads")).String()
	a.says(exitSettings, "nothing to verify it by", "guest", "verify", module)
	a.says(exitRuntime, "it has no signature", "guest", "verify", module, "-k", key+".pub")
	a.says(exitEnvironment, "/dev/zero is no file with a key", "guest", "sign", "-k", "/dev/zero", module)
	a.says(exitOK, "sha256:"+digest+" is signed as guest banking by key ", "guest", "sign", "-k", key, module)
	a.says(exitOK, "ok      sha256:"+digest+" is signed as guest banking by key ", "guest", "verify", module, "-k", key+".pub")
	a.says(exitRuntime, "which is not there", "guest", "verify", module, "-k", other+".pub")
	a.says(exitRuntime, `it is signed as guest "banking"`, "guest", "verify", module, "-k", key+".pub", "--name", "ledger")

	// A second key, and a second name, are put beside; the same again changes nothing.
	for range 2 {
		a.says(exitOK, "", "guest", "sign", "-k", other, module)
		a.says(exitOK, "", "guest", "sign", "-k", key, module, "--name", "ledger")
	}
	text, err := os.ReadFile(module + ".sig")
	if err != nil || strings.Count(string(text), "\n") != 3 {
		t.Errorf("%s, %v", text, err)
	}
	a.says(exitOK, "by key", "guest", "verify", module, "-k", other+".pub")
	a.says(exitOK, `"guest":"ledger"`, "guest", "verify", module, "-k", key+".pub", "--name", "ledger", "--json")

	// Of another module in its place only the new signature is kept.
	a.write("banking.wasm", []byte("another"))
	a.says(exitRuntime, "its signature is of another module, sha256:"+digest, "guest", "verify", module, "-k", key+".pub")
	a.says(exitOK, "", "guest", "sign", "-k", key, module)
	if text, err = os.ReadFile(module + ".sig"); err != nil || strings.Count(string(text), "\n") != 1 {
		t.Errorf("%s, %v", text, err)
	}
	a.write("banking.wasm.sig", []byte("mine"))
	a.says(exitEnvironment, "move it away", "guest", "sign", "-k", key, module)

	a.says(exitEnvironment, "it is no private key", "guest", "sign", "-k", key+".pub", module)
	a.says(exitEnvironment, "no such file", "guest", "sign", "-k", key+".none", module)
	a.says(exitEnvironment, "no such file", "guest", "sign", "-k", key, a.path("none.wasm"))
	a.says(exitSettings, "it is no public key", "guest", "verify", module, "-k", key)
	settings := a.write("ichor.yaml", []byte("guests: {pins: {banking: sha256:"+digest+"}}"))
	a.says(exitRuntime, "guests.pins.banking is sha256:"+digest, "guest", "verify", module, "-c", settings)
	a.write("banking.wasm", []byte("a module that nobody reads"))
	a.says(exitOK, "is pinned for guest banking", "guest", "verify", module, "-c", settings)
}

// TestSwapOfASignedModule is what an operator does whose host wants signatures.
func TestSwapOfASignedModule(t *testing.T) {
	d, a := deploy(t, 40), newAuthor(t)
	key := a.path("bank.key")
	a.says(exitOK, "", "guest", "keygen", key)
	d.set(`routes: [{cohort: "*", guest: banking}]`, `routes: [{cohort: "*", guest: banking}]`+"\n  keys: ["+key+".pub]")
	place := filepath.Join(d.guests, "banking.wasm")
	d.says(exitOK, "", "db", "init", "-c", d.settings)
	d.says(exitEnvironment, "it has no signature", "check", "-c", d.settings)
	d.says(exitEnvironment, "it has no signature", "run", "-c", d.settings)
	d.says(exitOK, "", "guest", "sign", "-k", key, place)
	d.says(exitOK, "signed by key", "check", "-c", d.settings, "--timeout", "5m")
	d.play(talostest.Small())
	p := d.begin("run", "-c", d.settings)
	d.until(228, p)

	module := smallGuest(t, 1)
	next := a.write("banking.wasm", module)
	before := d.files()
	d.says(exitRuntime, "nothing was changed: the host does not take banking", "guest", "swap", next, "-c", d.settings)
	a.write("banking.wasm.sig", []byte("mine"))
	d.says(exitEnvironment, "banking.wasm.sig: signature 1", "guest", "swap", next, "-c", d.settings)
	if after := d.files(); after != before {
		t.Errorf("a swap that was refused leaves %s, before it there was %s", after, before)
	}
	if err := os.Remove(trust.SignatureFile(next)); err != nil {
		t.Fatal(err)
	}
	d.says(exitOK, "", "guest", "sign", "-k", key, next)
	d.says(exitOK, "converts from version 229 on", "guest", "swap", next, "-c", d.settings)
	d.says(exitOK, "by key", "guest", "verify", place, "-c", d.settings)
	if n := strings.Count(d.files(), ", "); n != 1 {
		t.Errorf("after the swap there are %s", d.files())
	}
	p.signal(syscall.SIGTERM)
	if code, out := p.wait(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, out)
	}

	// A key that is taken out of the settings lets nothing back in, which a dry run knows too.
	other := a.path("other.key")
	a.says(exitOK, "", "guest", "keygen", other)
	a.says(exitOK, "", "guest", "sign", "-k", other, place)
	d.set(key+".pub", other+".pub")
	p = d.begin("run", "-c", d.settings)
	d.ready(p)
	rollback := []string{"guest", "rollback", "banking", "--reason", "it is wrong", "-c", d.settings}
	d.says(exitRuntime, "and the host refuses that, if it runs without --dev: ", append(rollback, "--dry-run")...)
	d.says(exitRuntime, "it is signed by key", rollback...)
	p.signal(syscall.SIGTERM)
	if code, out := p.wait(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, out)
	}

	// With --dev it is taken without, and the host says so loudly.
	if err := os.Remove(trust.SignatureFile(place)); err != nil {
		t.Fatal(err)
	}
	p = d.begin("run", "--dev", "-c", d.settings)
	d.ready(p)
	p.signal(syscall.SIGTERM)
	if code, out := p.wait(); code != exitOK || !strings.Contains(out, "RUNNING WITH --dev") || !strings.Contains(out, "NO KEY SIGNED") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
