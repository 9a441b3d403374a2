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
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/rollout"
)

// carrier brings guests' files from where guests.pull says.
type carrier struct {
	directory  string // of the guests
	references map[string]oci.Reference
}

// carrier returns what brings the files of the guests of guests.pull; nil where there are none. A reference names its
// manifest by the digest, so that nobody changes what it means.
func (s *guestSettings) carrier() (rollout.Carrier, error) {
	if len(s.Pull) == 0 {
		return nil, nil //nolint:nilnil // there is nothing to pull
	}
	c := carrier{s.Directory, map[string]oci.Reference{}}
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
		c.references[name] = r
	}
	return c, errors.Join(errs...)
}

// path returns where a guest's file is, and mark the file beside it that says what was pulled into its place: it is pulled once,
// so that another file that an operator puts there later stays.
func (c carrier) path(name string) string { return filepath.Join(c.directory, name+".wasm") }

func (c carrier) mark(name string) string { return filepath.Join(c.directory, "."+name+".wasm.pulled") }

// Lacks implements rollout.Carrier.
func (c carrier) Lacks(name string) string {
	from, pulled := c.references[name]
	if !pulled {
		return ""
	}
	if before, err := os.ReadFile(c.mark(name)); err == nil && strings.TrimSpace(string(before)) == from.String() {
		if _, err := os.Stat(c.path(name)); err == nil {
			return ""
		}
	}
	return from.String()
}

// Fetch implements rollout.Carrier.
func (c carrier) Fetch(ctx context.Context, name string) (trust.Module, error) {
	from := c.references[name]
	pulled, err := oci.Pull(ctx, from, oci.Options{})
	var content *oci.ContentError
	switch {
	case errors.As(err, &content):
		return trust.Module{}, fmt.Errorf("pull %s: %w", from, err)
	case err != nil:
		return trust.Module{}, &rollout.UnavailableError{Err: fmt.Errorf("pull %s: %w", from, err)}
	}
	return pulled.Module, nil
}

// Place implements rollout.Carrier.
func (c carrier) Place(name string, module trust.Module) error {
	if err := place(c.path(name), module); err != nil {
		return err
	}
	return replace(c.mark(name), []byte(c.references[name].String()+"\n"))
}
