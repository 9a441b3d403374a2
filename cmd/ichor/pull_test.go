package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest/oci"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/rollout"
)

// TestAGuestIsPulledOnce: another file that is put there later stays, another reference is pulled, and what does not
// answer may answer later.
func TestAGuestIsPulledOnce(t *testing.T) {
	directory := t.TempDir()
	push := func(text string) oci.Reference {
		t.Helper()
		to, err := oci.ParseReference("oci-layout://" + filepath.Join(directory, "layout") + ":v1")
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := oci.Push(t.Context(), to, "bank.wasm", trust.NewModule([]byte(text), ""), oci.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return to.Pinned(manifest)
	}
	first, second := push("first"), push("second")
	path := filepath.Join(directory, "bank.wasm")
	at := func(from oci.Reference) carrier { return carrier{directory, map[string]oci.Reference{"bank": from}} }
	is := func(want string) {
		t.Helper()
		if text, err := os.ReadFile(path); err != nil || string(text) != want {
			t.Errorf("%q, %v, want %q", text, err, want)
		}
	}
	pulls := func(from oci.Reference, lacks bool) {
		t.Helper()
		c, want := at(from), ""
		if lacks {
			want = from.String()
		}
		if got := c.Lacks("bank"); got != want {
			t.Fatalf("it lacks %q, want %q", got, want)
		}
		if !lacks {
			return
		}
		module, err := c.Fetch(t.Context(), "bank")
		if err == nil {
			err = c.Place("bank", module)
		}
		if err != nil || c.Lacks("bank") != "" {
			t.Fatalf("%v; it lacks %q still", err, c.Lacks("bank"))
		}
	}
	pulls(first, true)
	is("first")
	if err := os.WriteFile(path, []byte("an operator's"), 0o600); err != nil {
		t.Fatal(err)
	}
	pulls(first, false)
	is("an operator's")
	pulls(second, true)
	is("second")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	pulls(second, true)
	is("second")
	if err := os.RemoveAll(filepath.Join(directory, "layout")); err != nil {
		t.Fatal(err)
	}
	pulls(second, false)
	var unavailable *rollout.UnavailableError
	if _, err := at(first).Fetch(t.Context(), "bank"); !errors.As(err, &unavailable) {
		t.Errorf("without a registry: %v", err)
	}
	is("second")
	if got := at(first).Lacks("shop"); got != "" {
		t.Errorf("a guest that is not pulled lacks %q", got)
	}
}

// TestWhatIsPulledIsNamedByItsDigest.
func TestWhatIsPulledIsNamedByItsDigest(t *testing.T) {
	s := &guestSettings{Routes: []rollout.Route{{Cohort: "*", Guest: "bank"}}}
	for reference, right := range map[string]bool{"oci://registry/bank:v1": false, "bank.wasm": false, "oci://registry/bank@sha256:0": false,
		"oci://registry/bank@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef": true} {
		s.Pull = map[string]string{"bank": reference}
		if _, err := s.carrier(); (err == nil) != right {
			t.Errorf("%s: %v", reference, err)
		}
	}
	s.Pull = map[string]string{"shop": "oci://registry/bank@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
	if _, err := s.carrier(); err == nil {
		t.Error("a guest without a route is pulled")
	}
}
