//go:build unix

package guest

import (
	"fmt"
	"syscall"
	"time"
)

// setLimits bounds the processor time and memory of this process. The kernel kills it when the time is
// up; when the memory is used up it gets no more, and the Go runtime ends it.
func setLimits(d time.Duration, memory int64) error {
	for _, limit := range []struct {
		what  string
		which int
		most  uint64
	}{
		{"processor time", syscall.RLIMIT_CPU, uint64(max(1, d.Seconds()))},
		{"memory", syscall.RLIMIT_DATA, uint64(memory)},
		{"core dump", syscall.RLIMIT_CORE, 0},
	} {
		var is syscall.Rlimit
		if err := syscall.Getrlimit(limit.which, &is); err != nil {
			return fmt.Errorf("ask for the limit of %s: %w", limit.what, err)
		}
		most := min(limit.most, is.Max)
		if err := syscall.Setrlimit(limit.which, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
			return fmt.Errorf("limit the %s: %w", limit.what, err)
		}
	}
	return nil
}
