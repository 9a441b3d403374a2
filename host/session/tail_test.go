package session

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// quiet returns a tail that reads nothing by itself.
func quiet(most int) *Tail {
	t := &Tail{
		parts: Parts{Health: status.NewHealth(time.Second, slog.New(slog.DiscardHandler))},
		most:  most, stop: func() {}, ended: make(chan struct{}), freed: make(chan struct{}, 1), from: 10, next: 10, anchor: talos.NoAnchor,
	}
	close(t.ended)
	return t
}

// read is ten positions from one on, a candidate and a decision about it by turns.
func read(from talos.Position) []replicator.Event {
	var events []replicator.Event
	for p := from; p < from+10; p += 2 {
		events = append(events, &replicator.Candidate{Version: talos.Version(p), Payload: &talos.Candidate{}},
			&replicator.Decision{Version: talos.Version(p), Position: p + 1})
	}
	return append(events, &replicator.BatchRead{Next: from + 10})
}

func (h *Held) events() (n int) {
	for _, s := range h.slices {
		n += len(s.events)
	}
	return n
}

func TestTail(t *testing.T) {
	slice := 10*eventBytes + eventBytes + 5*(&talos.Candidate{}).Bytes()
	for _, test := range []struct {
		name   string
		passed talos.Position // by the owner, while it is read
		resume talos.Position // of the take-over
		events int
		next   talos.Position
	}{
		{"everything is held", 10, 10, 33, 40},
		{"whole slices are let go", 30, 30, 11, 40},
		{"what lies in a slice that is needed is let go", 13, 15, 28, 40},
		{"all is passed", 40, 40, 0, 40},
		{"the owner read further", 45, 45, 0, 0},
		{"the database went back", 30, 20, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			tail := quiet(3 * slice)
			for from := talos.Position(10); from < 40; from += 10 {
				if err := tail.hold(t.Context(), read(from), talos.Anchor{Position: from + 9}); err != nil {
					t.Fatal(err)
				}
			}
			tail.Passed(test.passed)
			held := tail.Take(test.resume)
			if held.events() != test.events || held.next != test.next {
				t.Errorf("%d events up to %d, want %d up to %d", held.events(), held.next, test.events, test.next)
			}
			if test.next != 0 && held.anchor.Position != 39 {
				t.Errorf("the anchor is at %d", held.anchor.Position)
			}
		})
	}
}

// A tail that is full holds no more until the owner has passed something, and reads on then.
func TestTailThatIsFull(t *testing.T) {
	tail := quiet(12 * eventBytes)
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := tail.hold(soon, read(10), talos.NoAnchor); err != nil {
		t.Fatal("what is larger than the room is kept alone:", err)
	}
	if err := tail.hold(soon, read(20), talos.NoAnchor); err == nil {
		t.Fatal("there was room for more than the tail may hold")
	}
	tail.Passed(20)
	if err := tail.hold(t.Context(), read(20), talos.NoAnchor); err != nil {
		t.Fatal(err)
	}
	tail.Passed(45) // the owner is quicker: nothing of it is needed
	if err := tail.hold(t.Context(), read(30), talos.NoAnchor); err != nil {
		t.Fatal(err)
	}
	if tail.bytes != 0 || tail.next != 40 {
		t.Errorf("it holds %d bytes up to %d", tail.bytes, tail.next)
	}
}
