//go:build crashpoints && unix

package crash

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Compiled says that At does something.
const Compiled = true

// named is what the environment says, which is the same for all of the process's life.
var named = sync.OnceValues(func() (point string, pass int64) {
	point, count, _ := strings.Cut(os.Getenv(Variable), ":")
	pass, _ = strconv.ParseInt(count, 10, 64) // what is no number is no pass
	return point, pass
})

var passes atomic.Int64 // of that point

// At ends the process by SIGKILL if the environment names this point, and it is passed as often as that says.
func At(point string) {
	if name, pass := named(); name != point || passes.Add(1) != pass {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // a process may kill itself
	select {}                                      // the kernel may let it run for a moment
}
