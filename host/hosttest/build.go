// Package hosttest builds the host and runs it as a process of its own, for the demonstration,
// the benchmarks and tests that kill it.
package hosttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
)

const modulePath = "github.com/ichor-replicator/ichor"

// Repository returns the root directory of this module. It asks the go command, so it returns an
// error unless the process runs in a directory of the repository.
func Repository(ctx context.Context) (string, error) {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}}\n{{.Dir}}")
	var problems bytes.Buffer
	list.Stderr = &problems
	text, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("find the repository with the go command: %w: %s", err, bytes.TrimSpace(problems.Bytes()))
	}
	path, dir, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	if string(path) != modulePath {
		return "", errors.New("run this within the repository of Ichor: it builds the host and the guest from there")
	}
	return string(dir), nil
}

// Build builds the host's binary from the repository in root, with build tags if there are any.
func Build(ctx context.Context, root, out string, tags ...string) error {
	build := exec.CommandContext(ctx, "go", "build", "-tags", strings.Join(tags, ","), "-o", out, "./cmd/ichor")
	build.Dir = root
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the host: %w: %s", err, bytes.TrimSpace(text))
	}
	return nil
}

// FreeAddress returns an address of this machine where nobody listens.
func FreeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("choose an address: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}
