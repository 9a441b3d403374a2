package guest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/guest"
)

// niceValue returns that of a thread, 0 for the caller's: a greater one is a lower priority, and 19 the lowest.
func niceValue(t *testing.T, thread int) int {
	t.Helper()
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, thread) // 20 less it, as the system call has it
	if err != nil {
		t.Fatal(err)
	}
	return 20 - raw
}

// TestAChildRunsAtLowPriority looks at every thread of a child while it checks a guest that does not come up: its nice
// value is 5 above the host's, so 5 where the host has the default. The host's threads keep theirs.
func TestAChildRunsAtLowPriority(t *testing.T) {
	own := niceValue(t, 0)
	want := min(own+5, 19)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := guest.Load(ctx, "hostile", fixture(t, "loops_in_describe"), endlessly(filepath.Join(t.TempDir(), "cache")), slog.New(slog.DiscardHandler), guest.NewMetrics(prometheus.NewRegistry()))
		ended <- err
	}()
	for _, thread := range threadsOf(t, awaitChild(t, os.Getpid())) {
		if got := niceValue(t, thread); got != want {
			t.Errorf("a thread of the child has the nice value %d, want %d", got, want)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	// The thread that started the child ends with its goroutine; the first of a process is only never used again.
	var lowered []int
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if lowered = slices.DeleteFunc(threadsOf(t, os.Getpid()), func(thread int) bool {
			raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, thread)
			return thread == os.Getpid() || err != nil || 20-raw == own
		}); len(lowered) == 0 {
			return
		}
	}
	t.Errorf("threads %v of the host have another nice value than %d", lowered, own)
}

// threadsOf lists those of a process.
func threadsOf(t *testing.T, process int) (threads []int) {
	t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", process))
	for _, name := range names {
		if thread, wrong := strconv.Atoi(name.Name()); wrong == nil {
			threads = append(threads, thread)
		}
	}
	if err != nil || len(threads) == 0 {
		t.Fatalf("process %d has %d threads: %v", process, len(threads), err)
	}
	return threads
}
