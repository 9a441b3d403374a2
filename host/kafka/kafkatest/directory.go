package kafkatest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// directoryPrefix begins the names of the brokers' directories; the process that made one follows.
const directoryPrefix = "ichor-broker-"

// newDirectory makes a temporary directory for a broker, and removes those that test processes
// left behind when they were killed.
func newDirectory() (string, error) {
	left, err := filepath.Glob(filepath.Join(os.TempDir(), directoryPrefix+"*"))
	if err != nil {
		return "", err
	}
	for _, dir := range left {
		name, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), directoryPrefix), "-")
		maker, err := strconv.Atoi(name)
		if err == nil && maker > 0 && errors.Is(syscall.Kill(maker, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir) // somebody else may be at it, or own it
		}
	}
	return os.MkdirTemp("", fmt.Sprintf("%s%d-", directoryPrefix, os.Getpid()))
}
