package rollout

import (
	"context"
	"slices"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/installer"
)

// wanted is what a guest is to convert by when a host begins, as the database says.
type wanted struct {
	installer.GuestEvent        // who wanted the module last, and why; no digest where nothing converted yet
	passes               bool   // the guest's file is known and is not that: it is passed over
	file                 string // the digest of the file that was last taken
}

// wantedBeside says what is to convert beside a file of a digest, empty where it cannot be read. It is the module that was
// wanted last, as long as the file is the one that was last taken, or one that was taken back or rolled back, and did not
// come since. So a module that was taken back, or that an operator swapped for another, does not come again by a restart,
// nor by a take-over of a host in whose directory it lies still; another file does, and so does the same one when a host
// saw it come.
func wantedBeside(ctx context.Context, store *installer.Installer, name, file string, history cohort.History) (w wanted, err error) {
	if w.GuestEvent, w.file, err = store.Wanted(ctx, name); err != nil {
		return w, err
	}
	newest := newestOf(history, name)
	switch {
	case newest == "" || newest == w.Digest:
	case w.Digest == "":
		w.GuestEvent = installer.GuestEvent{Digest: newest, Who: installer.WhoIchor, Reason: "it converted last"}
	default:
		// The end of a probation may not be written down when a host is killed: then the history has what the module
		// converted since it was armed, and another after it.
		from, err := store.ActiveSince(ctx, &w.GuestEvent)
		if err != nil {
			return w, err
		}
		if hasUse(history, name, w.Digest, from) {
			w.Digest, w.Reason = newest, "it was taken back, or another was swapped in"
		}
	}
	if file == "" || file == w.Digest || w.Digest == "" {
		return w, nil
	}
	if w.passes = file == w.file; !w.passes {
		gone, err := store.Gone(ctx, name)
		if err != nil {
			return w, err
		}
		if w.passes = slices.Contains(gone, file); w.passes {
			again, err := store.AskedFor(ctx, name, file)
			if err != nil {
				return w, err
			}
			w.passes = again.Who == ""
		}
	}
	if w.passes {
		came, err := store.CameSince(ctx, name, file)
		w.passes = !came
		return w, err
	}
	return w, nil
}

// cameBefore reports whether the first file that came since the host began is the one that was taken last, and was taken back or
// rolled back since: then it is passed over. To remove it and to put it there again, as some deployments do, is no wish for it;
// guest swap is one. Where the database does not answer the file is loaded, as any that comes.
func (g *Guests) cameBefore(ctx context.Context, name, digest string) bool {
	w, file, err := g.store.Wanted(ctx, name)
	if err != nil || file != digest || w.Digest == digest {
		return false
	}
	gone, err := g.store.Gone(ctx, name)
	if err != nil || !slices.Contains(gone, digest) {
		return false
	}
	again, err := g.store.AskedFor(ctx, name, digest)
	if err != nil || again.Who != "" {
		return false
	}
	g.passOver(name, digest, w)
	return true
}

// passes reports whether a file of a guest is passed over.
func (g *Guests) passes(name string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed[name] != ""
}
