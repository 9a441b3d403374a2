package monitoring

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the example's page says to try leaves the checkout as it is, and gives Prometheus settings that it takes, with the
// address of the host.
func TestTheTrialChangesNoFile(t *testing.T) {
	text, err := os.ReadFile(examples + "README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(text)
	if block == nil || !strings.Contains(string(block[1]), "\nprometheus --config.file=") {
		t.Fatal("the page has no commands that start Prometheus: this test does not see what it should")
	}
	root := t.TempDir() // a checkout, as far as the commands know
	if err := os.CopyFS(filepath.Join(root, "examples/monitoring"), os.DirFS(examples)); err != nil {
		t.Fatal(err)
	}
	// In the place of Prometheus: promtool, and what it was given.
	commands := "set -e\nprometheus() { promtool check config \"${1#--config.file=}\" && cat \"${1#--config.file=}\"; }\n" + string(block[1])
	shell := exec.CommandContext(t.Context(), "bash", "-c", commands)
	shell.Dir, shell.Env = root, append(os.Environ(), "TMPDIR="+t.TempDir())
	out, err := shell.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "targets: [127.0.0.1:41507]") {
		t.Errorf("the commands end with %v:\n%s", err, out)
	}
	files, err := os.ReadDir(examples)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		was, err := os.ReadFile(examples + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		if is, err := os.ReadFile(filepath.Join(root, "examples/monitoring", file.Name())); err != nil || string(is) != string(was) {
			t.Errorf("they change %s (%v)", file.Name(), err)
		}
	}
	if here, err := os.ReadDir(filepath.Join(root, "examples/monitoring")); err != nil || len(here) != len(files) {
		t.Errorf("they leave %v where the checkout is (%v)", here, err)
	}
}
