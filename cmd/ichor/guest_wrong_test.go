package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

// wrongGuests returns the lines of the README's chapter on guests that are wrong that make one each.
func wrongGuests(t *testing.T) (tries []string) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(text), "\n### Three guests that are wrong\n")
	chapter, _, _ = strings.Cut(chapter, "\n### ")
	for line := range strings.Lines(chapter) {
		if try, found := strings.CutPrefix(line, "$ try "); found {
			tries = append(tries, "try "+try)
		}
	}
	if len(tries) != 3 {
		t.Fatalf("the README has %d guests that are wrong", len(tries))
	}
	return tries
}

// authored copies what is needed to build a guest of the examples elsewhere, and returns the directory.
func authored(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"abi", "guests", "examples"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join("../..", name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join("../..", file))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// flows commits versions until a module has come to a state; one in three is a deposit, and a shadow that is busy is not
// shown what comes meanwhile.
func (d *deployment) flows(p *process, digest, state string) {
	d.t.Helper()
	for range 200 {
		d.until(d.commits(2, "0001", fmt.Sprintf(pays, "0001", "0002")), p)
		d.until(d.commits(1, "0003", `[{"DEPOSIT":{"account":"0003","amount":93.76}}]`), p)
		reached := false
		if err := d.conn.QueryRow(d.t.Context(), "select exists (select from ichor.guest_event where digest = $1 and state = $2)", digest, state).Scan(&reached); err != nil {
			d.t.Fatal(err)
		}
		if reached {
			return
		}
	}
	d.t.Fatalf("%.12s is not %s\n%s", digest, state, p.out.String())
}

// The README's three guests, each the bank's with one line changed, built and swapped in as it says: one is refused by its
// own examples, one is shown by its shadow and not taken, one is taken, and taken back.
func TestThreeGuestsThatAreWrong(t *testing.T) {
	dir := authored(t)
	d := deploySmall(t, 10, guesttest.Banking(t), "shadow: {versions: 40}")
	p := d.begin("run", "-c", d.settings)
	others := slices.Repeat([]kafkatest.Message{{Value: []byte("of another"), Headers: []kafkatest.Header{{Name: "messageType", Value: []byte("Other")}}}}, 1100)
	if _, err := d.broker.Produce(t.Context(), "certification", kafkatest.Uncompressed, others...); err != nil { // the examples' versions are below
		t.Fatal(err)
	}
	d.until(d.commits(5, "0001", fmt.Sprintf(pays, "0001", "0002")), p)
	good := guest.DigestOf(guesttest.Banking(t)).String()
	tries := wrongGuests(t)
	made := func(try string) (file, digest string) {
		t.Helper()
		script := exec.Command("sh", "-c", fmt.Sprintf(`try() { rm -rf wrong; cp -r examples/banking/guest wrong; sed -i "$1" wrong/convert.go; }; at=%d; %s`, d.snapshot()+400, try))
		script.Dir = dir
		if out, err := script.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", try, err, out)
		}
		if _, problems, code := ichor(t, dir, "", "guest", "build", "wrong", "-o", "banking.wasm"); code != exitOK {
			t.Fatalf("%s: exit code %d: %s", try, code, problems)
		}
		module, err := os.ReadFile(filepath.Join(dir, "banking.wasm"))
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, "banking.wasm"), guest.DigestOf(module).String()
	}

	file, digest := made(tries[0])
	d.tells(exitRuntime, []string{"guest", "swap", file}, "nothing was changed: the host does not take banking "+digest[:12]+", the one before goes on: guest banking refused at vectors: vector \"transfer\"",
		`the guest and its examples disagree: it became [[1 "0042" "0017" "25.5"`)

	file, digest = made(tries[1])
	d.tells(exitOK, []string{"guest", "swap", file}, "is compared over 40 versions before it converts")
	d.flows(p, digest, "refused")
	d.tells(exitOK, []string{"guest", "shadow", "banking"}, ": 40 of 40 versions are compared\n", " differ, 0 the new one rejects, 0 the old one rejected; ",
		`: statement 1 has $2 = "193.76", and the old one "93.76"`, "it is not taken: guest banking refused at shadow")

	file, digest = made(tries[2])
	d.tells(exitOK, []string{"guest", "swap", file}, "is compared over 40 versions before it converts")
	d.flows(p, digest, "active")
	d.tells(exitOK, []string{"guest", "shadow", "banking"}, fmt.Sprintf("banking %.12s beside %.12s: 40 of 40 versions are compared\n40 same, 0 differ", digest, good), "it is taken: it converts from version ")
	d.flows(p, digest, "gone")
	d.until(d.commits(5, "0001", fmt.Sprintf(pays, "0001", "0002")), p)
	d.sees(p, fmt.Sprintf("(%[1]s) (%[2]s) (%[1]s)", good, digest), "select digest from ichor.guest_history where not only_version order by from_version")
	d.tells(exitOK, []string{"guest", "history"}, digest[:12]+" is taken back: ", "held, and converted by this module")
	d.tells(exitOK, []string{"quarantine", "list"}, "nothing is held\n")
	d.tells(exitOK, []string{"verify"}, "the books agree with the log")
}
