//go:build !linux

package main

import (
	"errors"
	"fmt"
)

// limitDescriptors can limit those of another process on Linux alone.
func limitDescriptors(int, uint64) (uint64, error) {
	return 0, fmt.Errorf("limit the descriptors of another process: %w", errors.ErrUnsupported)
}
