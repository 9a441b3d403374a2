package kafkatest

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// A cluster of three goes on when its leader moves, and when a node is away that somebody is connected to.
func TestNodesComeAndGo(t *testing.T) {
	ports, err := freePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	b := start(t, EmbeddedOptions{Ports: ports})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(b.CreateTopic(t.Context(), "t", 1, nil))
	own := Elsewhere(b.server.(*embedded).host(1))
	defer func() { must(own.Stop()) }()
	leader := func() int32 {
		n, err := own.Leader(t.Context(), "t")
		must(err)
		return n
	}
	led := map[int32]bool{}
	for range 3 {
		must(b.MoveLeader("t"))
		led[leader()] = true
	}
	if len(led) != 3 {
		t.Errorf("led by %v, want each of three", led)
	}
	connected, err := net.Dial("tcp", b.Addr(Plain))
	must(err)
	defer connected.Close()

	must(b.StopNode(0))
	must(connected.SetReadDeadline(time.Now().Add(time.Minute)))
	if _, err := connected.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection outlives its node: %v", err)
	}
	if late, err := net.Dial("tcp", b.Addr(Plain)); err == nil {
		late.Close()
		t.Error("the node is away and takes connections")
	}
	for range 3 {
		must(b.MoveLeader("t"))
		if leader() == 0 {
			t.Error("the node is away and leads")
		}
		if _, err := own.Produce(t.Context(), "t", Uncompressed, Message{Value: []byte("v")}); err != nil {
			t.Error(err)
		}
	}
	must(b.StartNode(0))
	if end, err := b.End(t.Context(), "t"); err != nil || end != 3 {
		t.Errorf("end %d, %v", end, err)
	}
	if err := own.MoveLeader("t"); err == nil {
		t.Error("a broker that runs elsewhere says that it has moved a leader")
	}
}
