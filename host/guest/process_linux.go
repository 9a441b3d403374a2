package guest

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// childNice is what is added to the nice value of the host: a third of its weight. With a tenth, a check of 4 s took two
// minutes on two cores that ten others wanted.
const childNice = 5

// selfPath names the program that runs, also after its file was replaced.
func selfPath() string { return "/proc/self/exe" }

// yieldToOthers lowers the priority of the calling thread, which must be locked, and of what
// it starts. To be as quick as others is no failure.
func yieldToOthers() {
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		return
	}
	own := 20 - raw // so the system call has it
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, own+childNice)
}

// endWithParent makes a session of its own, so that an interrupt at the terminal leaves the
// stopping to us, and lets the kernel end the process when its parent has died. What a session
// uses is charged to all of it where the kernel groups processes by sessions: in the host's own
// the child took the host's turns, whatever its priority.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// limitProcess bounds this process's processor time and the memory that it takes beyond what
// it has, and offers it first to a kernel that is out of memory.
func limitProcess(d time.Duration, memory int64) error {
	for file, value := range map[string]int{"oom_score_adj": 1000, "autogroup": childNice} {
		_ = os.WriteFile("/proc/self/"+file, []byte(strconv.Itoa(value)), 0) // not everywhere is it offered
	}
	return setLimits(d, dataNow()+memory)
}

// dataNow returns how many bytes this process may write by now, mapped or not: a runtime has
// reserved some already.
func dataNow() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmData:")
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0
	}
	kib, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}
