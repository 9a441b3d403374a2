package host_test

import (
	"testing"

	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

// The digests of a serial replay that an independent reader made of the recorded topics.
const (
	smallDigest      = "946f71edd6a559b47106dcf04d665663aa44e8596fcba8c7bff95bb0fe1288b9"
	contentionDigest = "a5b4b3d0b2f0a665ec1de1b0a6dbc431e56a8054402dfd6774ff06dfc3f25281"
)

// It runs on Apache Kafka too, with ICHOR_KAFKA=apache.
func TestRecordedTopicsGiveTheSerialReplay(t *testing.T) {
	for _, tc := range []struct {
		name     string
		records  func() ([]talostest.Record, error)
		accounts int
		snapshot string
		digest   string
	}{
		{"small", talostest.Small, 40, "(228)", smallDigest},
		{"contention", talostest.Contention, 100, "(25595)", contentionDigest},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBank(t, tc.accounts)
			b.play(tc.records())
			r := b.start()
			b.eventually("(t)", "select version >= trim(both '()' from $1)::int from cohort_snapshot", tc.snapshot)
			if err := r.drain(); err != nil {
				t.Fatal(err)
			}
			if got := b.digest(); got != tc.digest {
				t.Errorf("bank digest %s, want %s", got, tc.digest)
			}
		})
	}
}
