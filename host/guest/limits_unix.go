//go:build unix

package guest

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// lastSeconds is the processor time that this process has to say that its time is up.
const lastSeconds = 2

// setLimits bounds the processor time and memory of this process. When its time is up it says so and ends, or is
// killed by the kernel; when the memory is used up it gets no more, and the Go runtime ends it.
func setLimits(d time.Duration, memory int64) error {
	up := make(chan os.Signal, 1)
	signal.Notify(up, syscall.SIGXCPU)
	go func() {
		<-up
		fmt.Fprintln(os.Stderr, timeIsUp)
		os.Exit(1)
	}()
	for _, limit := range []struct {
		what  string
		which int
		most  uint64
		more  uint64
	}{
		{"processor time", syscall.RLIMIT_CPU, uint64(max(1, d.Seconds())), lastSeconds},
		{"memory", syscall.RLIMIT_DATA, uint64(memory), 0},
		{"core dump", syscall.RLIMIT_CORE, 0, 0},
	} {
		var is syscall.Rlimit
		if err := syscall.Getrlimit(limit.which, &is); err != nil {
			return fmt.Errorf("ask for the limit of %s: %w", limit.what, err)
		}
		most := min(limit.most, is.Max)
		if err := syscall.Setrlimit(limit.which, &syscall.Rlimit{Cur: most, Max: min(most+limit.more, is.Max)}); err != nil {
			return fmt.Errorf("limit the %s: %w", limit.what, err)
		}
	}
	return nil
}
