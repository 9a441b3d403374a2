package host_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/status"
)

// stopping keeps a guest in its first call that says something, until it is let go: what a guest writes is logged before
// it goes on. Other lines pass, since it stands before the handler that has a lock.
type stopping struct {
	slog.Handler
	stops *stops
}

type stops struct {
	once     sync.Once
	entered  chan struct{}
	released chan struct{}
}

func (s *stopping) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "guest says" {
		s.stops.once.Do(func() {
			close(s.stops.entered)
			<-s.stops.released
		})
	}
	return s.Handler.Handle(ctx, r)
}

func (s *stopping) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &stopping{s.Handler.WithAttrs(attrs), s.stops}
}

// A shadow that does not come out of its conversion holds nothing up: what it is not shown meanwhile is counted, and
// when it goes on it is compared to the end.
func TestAShadowThatStandsStillHoldsNothingUp(t *testing.T) {
	b := newBank(t, 40)
	b.options.Guests.Shadow = rollout.Shadow{Versions: 20, Differences: 20}
	s := &stops{entered: make(chan struct{}), released: make(chan struct{})}
	goOn := sync.OnceFunc(func() { close(s.released) })
	h, err := host.New(b.options, slog.New(&stopping{hosttest.Once(t, slog.NewTextHandler(b.log, nil)), s}), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		goOn()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	r := &running{Host: h, b: b}
	shadow := func() *status.Shadow {
		t.Helper()
		var now status.Status
		if err := json.Unmarshal([]byte(r.get("/v1/status")), &now); err != nil {
			t.Fatal(err)
		}
		if len(now.Guests) == 0 || now.Guests[0].Shadow == nil {
			return &status.Shadow{}
		}
		return now.Guests[0].Shadow
	}
	b.reaches(b.pay(5, "0001", "0002"))
	changed := guest.DigestOf(guesttest.Changed(t)).String()
	b.install("banking", guesttest.Changed(t))
	r.shows("/v1/status", `"shadow":{"digest":"`+changed)
	b.reaches(b.pay(1, "0038", "0002")) // the shadow panics, and says so before it does
	<-s.entered
	for range 5 {
		b.reaches(b.pay(10, "0001", "0002"))
	}
	if now := shadow(); now.Missed == 0 || now.Compared != 0 {
		t.Errorf("while the shadow stands still %d versions are compared and %d it was not shown", now.Compared, now.Missed)
	}
	r.shows("/readyz", `"ready":true`)
	missed := shadow().Missed
	goOn()
	hosttest.Until(t, func() bool {
		b.reaches(b.pay(5, "0001", "0002"))
		return strings.Contains(b.text("select digest from ichor.guest_history order by from_version desc limit 1"), changed)
	}, b.log.text)
	if missed < 30 {
		t.Errorf("of 50 versions it was not shown %d", missed)
	}
}
