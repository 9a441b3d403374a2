package host_test

import (
	"fmt"
	"testing"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/spans/spanstest"
)

// A host sends spans of what it installed, linked to the trace that the decision's header names; the way of another
// version has no link, and a receiver that refuses keeps nothing from being installed.
func TestSpansOfAHost(t *testing.T) {
	to, err := spanstest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(to.Close)
	b := newBank(t, 2)
	b.options.Spans.Endpoint, b.options.Spans.Share = to.Endpoint(), 1
	r := b.start()
	to.Refuse(true)
	traced := commit(2, 0)
	traced.Headers = append(traced.Headers, kafkatest.Header{Name: "traceparent", Value: []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")})
	b.send(message("Other", "no version has position 0"), candidate(1, "0001", deposit("0001", 5)), candidate(2, "0002", deposit("0002", 7)), commit(1, 0))
	hosttest.Until(t, func() bool { return to.Refused() > 0 }, func() string { return "nothing was refused\n" + b.log.text() })
	b.eventually("(1)", "select version from cohort_snapshot")
	to.Refuse(false)
	b.send(traced, candidate(3, "0001", deposit("0001", 1)), commit(5, 2))
	b.eventually("(5)", "select version from cohort_snapshot")
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	links := map[string]string{} // by version
	parts := map[string]int{}
	for _, span := range to.Spans() {
		parts[span.Name]++
		if span.Name != "replicator_version" {
			continue
		}
		said := spanstest.Texts(span)
		version := said["ichor.version"]
		links[version] = "none"
		for _, link := range span.Links {
			links[version] = fmt.Sprintf("%x", link.TraceId)
		}
		if said["xid"] == "" || said["ichor.cohort"] != "c" || said["ichor.guest.digest"] == "" || said["ichor.statements"] == "" {
			t.Errorf("version %s says %v", version, said)
		}
	}
	if links["2"] != "4bf92f3577b34da6a3ce929d0e0e4736" || links["5"] != "none" {
		t.Errorf("the links are %v", links)
	}
	for _, part := range []string{"replicator_receive_decision", "guest_conversion", "queue_wait", "statemap_installation", "snapshot_persisted"} {
		if parts[part] < 2 {
			t.Errorf("the parts are %v", parts)
		}
	}
}
