package stage

import (
	"os"
	"testing"
)

func TestEveryPlacedGuestDiffersInACustomSection(t *testing.T) {
	module := []byte("\x00asm\x01\x00\x00\x00")
	g := Guests{Name: Banking, dir: t.TempDir(), module: module}
	seen := map[string]bool{}
	for n := range 3 {
		digest, err := g.Place()
		if err != nil {
			t.Fatal(err)
		}
		seen[digest] = true
		got, err := os.ReadFile(g.File())
		if err != nil {
			t.Fatal(err)
		}
		if want := string(module) + "\x00\x0d\x0bichor.stage" + string(rune('0'+n)); string(got) != want {
			t.Errorf("guest %d is %q, want %q", n, got, want)
		}
	}
	if len(seen) != 3 || len(g.Placed()) != 3 {
		t.Errorf("digests %v", g.Placed())
	}
	for n := range 4 {
		digest, err := g.PlaceInTurn(2)
		if err != nil || digest != g.Placed()[1-n%2] {
			t.Errorf("in turn: %s, %v, of %v", digest, err, g.Placed())
		}
	}
	if files, _ := os.ReadDir(g.dir); len(files) != 1 {
		t.Errorf("%d files in the directory, want the guest alone", len(files))
	}
	if string(module) != "\x00asm\x01\x00\x00\x00" {
		t.Error("the module itself was changed")
	}
}
