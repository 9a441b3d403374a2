package host

import (
	"context"
	"errors"
	"slices"

	"github.com/ichor-replicator/ichor/host/admin"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Quarantine implements admin.Host.
func (v *view) Quarantine(ctx context.Context, filter installer.Filter) ([]installer.Held, error) {
	return v.store.List(ctx, filter)
}

// Held implements admin.Host.
func (v *view) Held(ctx context.Context, version talos.Version) (*admin.HeldVersion, error) {
	if version == 0 {
		return nil, nil //nolint:nilnil // it is never held
	}
	rows, err := v.store.List(ctx, installer.Filter{Version: version, Ended: true, Records: true})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	h := &admin.HeldVersion{Held: &rows[0]}
	if h.Held.Held {
		stands, err := v.Version(ctx, version)
		if h.Stands = &stands; err != nil {
			h.Stands, h.NoHost = nil, err.Error()
		}
	}
	h.ReadCandidate()
	if h.Converted, err = v.convert(ctx, h.Held); err != nil {
		h.NotConverted = err.Error()
	}
	h.Foresee()
	return h, nil
}

// convert has the guest that converted a held version convert it once more, when it is loaded.
func (v *view) convert(ctx context.Context, h *installer.Held) (*guest.Outcome, error) {
	switch {
	case h.Candidate == nil:
		return nil, errors.New("the record is lost")
	case h.Digest == "":
		return nil, errors.New("no guest was given it")
	}
	var candidate talos.Candidate
	if err := talos.DecodeCandidate(h.Version, h.Candidate, &candidate); err != nil {
		return nil, err
	}
	index, _ := v.guests.Route(&candidate)
	return v.guests.Try(ctx, index, h.Digest, guest.RecordOf(h.Version, h.Safepoint, &candidate))
}

// Requests implements admin.Host.
func (v *view) Requests(ctx context.Context, ids []int64) ([]installer.Request, error) {
	return v.store.Requests(ctx, ids)
}

// LatestRequests implements admin.Host.
func (v *view) LatestRequests(ctx context.Context, limit int) ([]installer.Request, error) {
	return v.store.LatestRequests(ctx, limit)
}

// Audit implements admin.Host.
func (v *view) Audit(ctx context.Context, limit int) ([]installer.AuditRow, error) {
	return v.store.LatestAudit(ctx, limit)
}

// eventsMost is how many events say who wanted a range of versions converted so.
const eventsMost = 10000

// Guests implements admin.Host.
func (v *view) Guests(ctx context.Context, limit int) (admin.Guests, error) {
	history, err := v.store.History(ctx)
	if err != nil {
		return admin.Guests{}, err
	}
	routes, err := v.store.Routes(ctx)
	if err != nil {
		return admin.Guests{}, err
	}
	events, err := v.store.GuestEvents(ctx, "", eventsMost)
	if err != nil {
		return admin.Guests{}, err
	}
	ranges, err := rollout.Ranges(rollout.Past{History: history, Routes: routes}, events, "")
	if err != nil {
		return admin.Guests{}, err
	}
	g := admin.Guests{
		Guests: v.Status().Guests, Ranges: append([]rollout.Range{}, ranges...),
		Events: append([]installer.GuestEvent{}, events[max(0, len(events)-limit):]...),
	}
	slices.Reverse(g.Events)
	return g, nil
}

// Ask implements admin.Host.
func (v *view) Ask(ctx context.Context, r installer.Request) (installer.Request, error) {
	return v.store.Ask(ctx, r)
}

// AskHeld implements admin.Host.
func (v *view) AskHeld(ctx context.Context, r installer.Request, filter installer.Filter) ([]installer.Request, error) {
	return v.store.AskHeld(ctx, r, filter)
}

// Judge implements admin.Host.
func (v *view) Judge(ctx context.Context, name string, bytes []byte, signatures, who string) (string, error) {
	module := trust.NewModule(bytes, signatures)
	err := v.guests.Judge(ctx, name, module, who)
	if rollout.IsRefused(err) {
		return "", &admin.RefusedModule{Err: err}
	}
	return module.Digest.String(), err
}

// ModuleLike implements admin.Host.
func (v *view) ModuleLike(ctx context.Context, name, digest string) (string, error) {
	return v.store.ModuleLike(ctx, name, digest)
}

// Routed implements admin.Host.
func (v *view) Routed(name string) bool { return slices.Contains(v.guests.Names(), name) }

// MayHandOver implements admin.Host.
func (v *view) MayHandOver(ctx context.Context, forced bool) error {
	_, err := v.store.MayHandOver(ctx, forced)
	return err
}

// Converting implements admin.Host.
func (v *view) Converting(ctx context.Context, name string) (string, error) {
	if digest := v.guests.Newest(name); digest != "" {
		return digest, nil
	}
	wanted, _, err := v.store.Wanted(ctx, name)
	return wanted.Digest, err
}
