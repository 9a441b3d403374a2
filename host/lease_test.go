package host

import (
	"cmp"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/installer"
)

// When a host that waits may take the cohort over, by what it sees at one second after the other.
func TestLease(t *testing.T) {
	own := installer.Owner{Epoch: 7, Token: 70}
	other := installer.Owner{Epoch: 8, Token: 80, Connected: true}
	beating := func(n int64) installer.Owner { o := other; o.Beats = n; return o }
	lost := func(n int64) installer.Owner { o := beating(n); o.Connected = false; return o }
	before := installer.Owner{Epoch: 6, Token: 60, Connected: true}
	released := other
	released.Released = true
	handedOver := own
	handedOver.Released, handedOver.Connected = true, false
	for name, c := range map[string]struct {
		lease lease
		seen  []installer.Owner
		want  int // the second at which it is free; -1 for not at all
	}{
		"nobody ever owned it":         {lease{}, []installer.Owner{{}}, 0},
		"the owner lives":              {lease{}, []installer.Owner{beating(1), beating(2), beating(3), beating(4), beating(5), beating(6), beating(7)}, -1},
		"the owner falls silent":       {lease{}, []installer.Owner{beating(1), beating(2), beating(2), beating(2), beating(2), beating(2), beating(2)}, 6},
		"the owner is silent already":  {lease{}, []installer.Owner{beating(9), beating(9), beating(9), beating(9), beating(9), beating(9)}, 5},
		"another takes it first":       {lease{}, []installer.Owner{before, before, before, before, other, other, other, other}, -1},
		"its session ends":             {lease{}, []installer.Owner{beating(1), lost(1), lost(1)}, 2},
		"its session ends for a while": {lease{}, []installer.Owner{beating(1), lost(1), beating(2), lost(2), beating(3)}, -1},
		"it is given away":             {lease{}, []installer.Owner{beating(1), released}, 1},
		"its own, to load again":       {lease{own: own}, []installer.Owner{own}, 0},
		"a copy from before its own":   {lease{own: own}, []installer.Owner{beating(3), beating(4), beating(5)}, -1},
		"its own, given away, is left to others, and taken back when none comes": {
			lease{own: own, gave: true}, []installer.Owner{handedOver, handedOver, handedOver, handedOver, handedOver, handedOver}, 5},
		"its session ends, whatever the lease": {lease{span: time.Hour}, []installer.Owner{beating(1), lost(1), lost(1)}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			l, got := c.lease, -1
			l.span = cmp.Or(l.span, 5*time.Second)
			for i, o := range c.seen {
				if l.free(o, time.Unix(int64(i), 0)) {
					got = i
					break
				}
			}
			if got != c.want {
				t.Errorf("it is free at second %d, want %d", got, c.want)
			}
		})
	}
}
