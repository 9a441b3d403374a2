package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ichor-replicator/ichor/host/guest/oci"
	"github.com/ichor-replicator/ichor/host/rollout"
)

// pulls returns what brings the files of the guests of guests.pull; nil where there are none. A reference names its
// manifest by the digest, so that nobody changes what it means.
func (s *guestSettings) pulls() (func(context.Context, string) error, error) {
	if len(s.Pull) == 0 {
		return nil, nil //nolint:nilnil // there is nothing to pull
	}
	references := map[string]oci.Reference{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.Pull)) {
		r, err := oci.ParseReference(s.Pull[name])
		switch {
		case !routed(s.Routes, name):
			errs = append(errs, fmt.Errorf("guests.pull names %q, and no route does: write the guest's name as it is in guests.routes", name))
		case err != nil:
			errs = append(errs, fmt.Errorf("guests.pull.%s: %w", name, err))
		case r.Digest == "":
			errs = append(errs, fmt.Errorf("guests.pull.%s is %s: name it by its digest, @sha256:…, as ichor guest push and pull print it", name, r))
		}
		references[name] = r
	}
	return func(ctx context.Context, name string) error {
		r, pulled := references[name]
		if !pulled {
			return nil
		}
		return pull(ctx, r, filepath.Join(s.Directory, name+".wasm"))
	}, errors.Join(errs...)
}

// pulledMark is the end of the name of the file beside a guest's that says what was pulled into its place: it is
// pulled once, so that another file that an operator puts there later stays.
const pulledMark = ".pulled"

// pull brings a module into its place, unless it was brought there before.
func pull(ctx context.Context, from oci.Reference, path string) error {
	mark := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+pulledMark)
	if before, err := os.ReadFile(mark); err == nil && strings.TrimSpace(string(before)) == from.String() {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
	}
	pulled, err := oci.Pull(ctx, from, oci.Options{})
	var content *oci.ContentError
	switch {
	case errors.As(err, &content):
		return fmt.Errorf("pull %s: %w", from, err)
	case err != nil:
		return &rollout.UnavailableError{Err: fmt.Errorf("pull %s: %w", from, err)}
	}
	if err := place(path, pulled.Module); err != nil {
		return err
	}
	return replace(mark, []byte(from.String()+"\n"))
}
