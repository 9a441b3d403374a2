package guest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
)

// TestReadmeGuest builds the guest that guests/README.md shows, with the command that
// stands below it, and converts with it.
func TestReadmeGuest(t *testing.T) {
	text, err := os.ReadFile("../../guests/README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(language string) []byte {
		found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
		if found == nil {
			t.Fatalf("no block of %s", language)
		}
		return found[1]
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"main.go": block("go"), "manifest.json": block("json")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := regexp.MustCompile(`-o guest\.wasm \.`).ReplaceAllString(string(block("sh")), `-o "$$OUT" "$$MAIN"`)
	build := exec.Command("sh", "-c", command)
	build.Env = append(os.Environ(), "OUT="+filepath.Join(dir, "guest.wasm"), "MAIN="+filepath.Join(dir, "main.go"))
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	wasm, err := os.ReadFile(filepath.Join(dir, "guest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	g := mustLoad(t, "greeter", wasm, guest.Options{Instances: 1})
	c := convert(t, g, record(42, item("GREET", `{"name":"Ann"}`)), record(43, item("GREET", `{}`)))
	for i, want := range []string{`converted 1["Ann" "42"]`, `rejected guest_reject 1: item 0: name is not a string`} {
		if got := say(&c[i]); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
