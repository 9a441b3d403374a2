package verify

import (
	"context"
	"slices"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// picky is a guest that skips versions. Others have no route.
type picky struct {
	skips, unrouted []talos.Version
	ignores         bool // what has no route
}

func (p picky) Of(c *talos.Candidate) rollout.Converter {
	if slices.Contains(p.unrouted, c.Version) {
		return rollout.Converter{Ignored: p.ignores}
	}
	return rollout.Converter{Guest: "g", Digest: "d"}
}

func (p picky) Convert(_ context.Context, _ string, records []guest.Record) (all []rollout.Converted, err error) {
	for _, r := range records {
		c := rollout.Converted{Version: r.Version}
		if slices.Contains(p.skips, r.Version) {
			c.Status = guest.Skipped
		}
		all = append(all, c)
	}
	return all, nil
}

// TestWhatHasNoEffectsIsNotHeldBack: of five versions that do not conflict the first is held, 5 and 9 went past it,
// and 3 and 7 did not, for nothing of them can be installed.
func TestWhatHasNoEffectsIsNotHeldBack(t *testing.T) {
	candidate := func(key string) string { return `keys [] ["` + key + `"]` }
	from := sourceOf(candidate("a"), "commit 1", candidate("b"), "commit 3", candidate("c"), "commit 5", candidate("d"), "commit 7", candidate("e"), "commit 9")
	log, err := ReadLog(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		guests Guests
		back   int // how many are held back
	}{
		"nobody can be asked":                 {nil, 2},
		"the guest would install both":        {picky{}, 2},
		"the guest skips one":                 {picky{skips: []talos.Version{3}}, 1},
		"the guest skips both":                {picky{skips: []talos.Version{3, 7}}, 0},
		"one has no route, and none needs it": {picky{skips: []talos.Version{3}, unrouted: []talos.Version{7}, ignores: true}, 0},
		"one has no route and will be held":   {picky{skips: []talos.Version{3}, unrouted: []talos.Version{7}}, 1},
	} {
		e := &books.Evidence{Quarantine: []books.QuarantineRow{{Version: 1, Held: true}}, Ledger: []talos.Version{5, 9}}
		v := &verification{
			Options: Options{Source: from}, e: e, installed: books.NewInstalled(e), log: log, guests: c.guests,
			report: &Report{Books: books.Check(log, e, true)},
		}
		if err := v.going(t.Context()); err != nil {
			t.Fatal(err)
		}
		if g := v.report.Books.Going; g.Allowed-g.Installed != c.back || v.report.Books.OK() != (c.back == 0) {
			t.Errorf("%s: %+v", name, g)
		}
	}
}
