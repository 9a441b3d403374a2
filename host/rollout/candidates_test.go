package rollout

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/guest"
)

// TestWhatASwapLeftBehindIsNotJudgedForEver: who put a file there to be judged may have been killed.
func TestWhatASwapLeftBehindIsNotJudgedForEver(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{
		".banking.wasm.swap-1": 2 * time.Hour, ".banking.wasm.swap-1.sig": 2 * time.Hour, ".banking.wasm.swap-2": time.Minute,
		".other.wasm.swap-1": 2 * time.Hour, "banking.wasm": 2 * time.Hour,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	g := New(Options{Directory: dir, Routes: []Route{{Cohort: "*", Guest: "banking"}}}, nil, guest.NoMetrics(), slog.New(slog.DiscardHandler))
	if found := g.candidates("banking"); len(found) != 1 || string(found[0].Bytes) != ".banking.wasm.swap-2" {
		t.Errorf("%d are judged: %+v", len(found), found)
	}
	if err := RemoveStale(dir, "banking"); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 {
		t.Errorf("%v are left, %v", left, err)
	}
}
