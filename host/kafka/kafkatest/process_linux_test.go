package kafkatest

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestProcessDiesWithUs kills a process that has a child of ours without warning.
func TestProcessDiesWithUs(t *testing.T) {
	us, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	held, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	cmd := exec.CommandContext(t.Context(), us)
	cmd.Env = append(os.Environ(), asParent+"=1")
	cmd.ExtraFiles = []*os.File{ours}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = ours.Close()
	if line, err := bufio.NewReader(output).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("it ended by itself")
	}
	// The pipe ends when its last holder, the child, is gone.
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = held.SetReadDeadline(time.Now()) })
	defer stop()
	if _, err := io.ReadAll(held); err != nil {
		t.Fatal("the child outlived its parent:", err)
	}
}
