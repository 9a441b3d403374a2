package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/ichor-replicator/ichor/guests"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
)

const modulePath = "github.com/ichor-replicator/ichor"

// repository returns the folder of the module, in which the demonstration must be run.
func repository(ctx context.Context) (string, error) {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}}\n{{.Dir}}")
	var problems bytes.Buffer
	list.Stderr = &problems
	text, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("find the repository with the go command: %w: %s", err, bytes.TrimSpace(problems.Bytes()))
	}
	path, dir, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	if string(path) != modulePath {
		return "", errors.New("run the demonstration within the repository of Ichor: it builds the host and the guest from there")
	}
	return string(dir), nil
}

// buildHost builds the host's binary.
func buildHost(ctx context.Context, root, out string) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", out, "./cmd/ichor")
	build.Dir = root
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the host: %w: %s", err, bytes.TrimSpace(text))
	}
	return nil
}

// buildGuest builds the banking guest.
func buildGuest(ctx context.Context, root, out string) error {
	_, err := guests.Build(ctx, filepath.Join(root, guesttest.BankingDir), out)
	return err
}
