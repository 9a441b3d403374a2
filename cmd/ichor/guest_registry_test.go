package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
)

// TestModuleIsPushedAndPulled goes by a directory with the layout of a registry, as an operator would.
func TestModuleIsPushedAndPulled(t *testing.T) {
	a := newAuthor(t)
	key, text := a.path("bank.key"), []byte("a module that nobody reads")
	module, digest := a.write("banking.wasm", text), guest.DigestOf(text).String()
	a.says(exitOK, "", "guest", "keygen", key)
	layout := "oci-layout://" + a.path("layout")
	a.says(exitRuntime, "it has no signature", "guest", "push", module, layout+":v1", "-k", key+".pub")
	if exists(a.path("layout")) {
		t.Error("something was pushed")
	}
	a.says(exitOK, "without a signature", "guest", "push", module, layout+":unsigned", "-k", key+".pub", "--dev")
	a.says(exitOK, "", "guest", "sign", "-k", key, module)
	a.says(exitOK, "with its signatures", "guest", "push", module, layout+":v1", "-k", key+".pub")
	a.says(exitSettings, "neither a tag nor a digest", "guest", "push", module, layout)

	got := a.path("got.wasm")
	a.says(exitRuntime, "it has no signature", "guest", "pull", layout+":unsigned", "-o", got, "-k", key+".pub", "--name", "banking")
	a.says(exitRuntime, `it is signed as guest "banking"`, "guest", "pull", layout+":v1", "-o", got, "-k", key+".pub")
	settings := a.write("ichor.yaml", []byte("guests: {keys: ["+key+".pub], pins: {banking: sha256:"+strings.Repeat("0", 64)+"}}"))
	a.says(exitRuntime, "guests.pins.banking is sha256:0", "guest", "pull", layout+":v1", "-o", got, "-c", settings, "--name", "banking")
	if exists(got) || exists(got+".sig") {
		t.Error("what was refused was written")
	}
	a.says(exitOK, "tag v1 may name another module tomorrow", "guest", "pull", layout+":v1", "-o", got, "-k", key+".pub", "--name", "banking")
	a.says(exitOK, "is signed as guest banking", "guest", "verify", got, "-k", key+".pub", "--name", "banking")

	var said struct{ Reference, Digest string }
	if err := json.Unmarshal([]byte(a.says(exitOK, "{", "guest", "pull", layout+":v1", "-o", got, "--json")), &said); err != nil || said.Digest != "sha256:"+digest {
		t.Errorf("%+v, %v", said, err)
	}
	if out := a.says(exitOK, `pins: {banking: "sha256:`+digest+`"}`, "guest", "pull", said.Reference, "-o", got); strings.Contains(out, "tomorrow") {
		t.Errorf("of a digest it says %s", out)
	}
	a.says(exitOK, "with its signatures, which were not compared with any key (-k)\n", "guest", "pull", said.Reference, "-o", got)
	a.says(exitOK, "is pulled, with its signatures\n", "guest", "pull", said.Reference, "-o", got, "-k", key+".pub", "--name", "banking")
	a.says(exitRuntime, "the manifest's digest, as ichor guest push prints it, not the module's", "guest", "pull", layout+"@"+said.Digest, "-o", got)
	blob := filepath.Join(a.path("layout"), "blobs", "sha256", digest)
	if err := errors.Join(os.Chmod(blob, 0o644), os.WriteFile(blob, []byte("a module that nobody broke"), 0o644)); err != nil {
		t.Fatal(err)
	}
	a.says(exitRuntime, "is there, and cannot be read: delete it there", "guest", "push", module, layout+":v2", "-k", key+".pub")
	if err := os.Remove(blob); err != nil {
		t.Fatal(err)
	}
	a.says(exitOK, "with its signatures", "guest", "push", module, layout+":v2", "-k", key+".pub")
	a.says(exitEnvironment, "the directory "+a.path("none")+" is not there", "guest", "pull", layout+":v2", "-o", a.path("none/got.wasm"))
	// A signature of what was there before does not stay.
	a.says(exitOK, "without a signature", "guest", "pull", layout+":unsigned", "-o", got)
	if is, err := os.ReadFile(got); err != nil || string(is) != string(text) || exists(got+".sig") {
		t.Errorf("%q, %v", is, err)
	}
}
