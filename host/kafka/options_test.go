package kafka

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestOptions(t *testing.T) {
	garbage := filepath.Join(t.TempDir(), "garbage.pem")
	if err := os.WriteFile(garbage, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*Options)
		want   string // in the error; empty for none
	}{
		{func(*Options) {}, ""},
		{func(o *Options) { o.Brokers = nil }, "source.brokers is empty"},
		{func(o *Options) { o.Brokers = []string{"host"} }, `"host" is not host:port`},
		{func(o *Options) { o.Brokers = []string{"host:99999"} }, `"host:99999" is not host:port`},
		{func(o *Options) { o.Brokers = []string{"host:"} }, `"host:" is not host:port`},
		{func(o *Options) { o.Topic = "" }, "source.topic is empty"},
		{func(o *Options) { o.MaxBytes = -1 }, "max_bytes"},
		{func(o *Options) { o.MaxBytes, o.MaxFrame = 2, 1 }, "max_frame: 1 is below"},
		{func(o *Options) { o.MaxFrame = 1 << 40 }, "max_frame"},
		{func(o *Options) { o.MaxWait = 2 * time.Hour }, "max_wait: 2h0m0s is above"},
		{func(o *Options) { o.MaxWait = -1 }, "a duration is negative"},
		{func(o *Options) { o.BackoffMin = time.Hour }, "is no range"},
		{func(o *Options) { o.TLS.CertFile = "x" }, "go together"},
		{func(o *Options) { o.TLS = TLSOptions{Enabled: true, CAFile: garbage} }, "holds no certificate"},
		{func(o *Options) { o.TLS = TLSOptions{Enabled: true, CAFile: garbage + "x"} }, "tls.ca_file"},
		{func(o *Options) { o.TLS = TLSOptions{Enabled: true, CertFile: garbage, KeyFile: garbage} }, "tls.cert_file"},
		{func(o *Options) { o.SASL.Mechanism = "gssapi" }, `"gssapi" is none of`},
		{func(o *Options) { o.SASL.Mechanism = SASLPlain }, "no username"},
	} {
		opts := Options{Brokers: []string{"127.0.0.1:9092"}, Topic: "t"}
		c.change(&opts)
		l, err := New(opts, slog.New(slog.DiscardHandler), nil)
		switch {
		case err == nil && c.want == "":
			l.Close()
		case err == nil || c.want == "" || !strings.Contains(err.Error(), c.want):
			t.Errorf("%v, want %q in it", err, c.want)
		}
	}
}

func TestMetricsAreRegisteredOnce(t *testing.T) {
	reg := prometheus.NewRegistry()
	opts := Options{Brokers: []string{"127.0.0.1:9092"}, Topic: "t"}
	l, err := New(opts, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := New(opts, slog.New(slog.DiscardHandler), reg); err == nil {
		t.Fatal("a second log on the same registry")
	}
	l.metrics.failed(&TruncatedError{})
	l.metrics.saw(&Batch{Records: make([]Record, 3), Aborted: 2, Markers: 4, Gaps: 5, HighWatermark: 9, StableEnd: 8, Start: 7, bytes: 6})
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"ichor_kafka_fetches_total": 1, "ichor_kafka_records_total read": 3, "ichor_kafka_records_total aborted": 2, "ichor_kafka_records_total marker": 4, "ichor_kafka_records_total gap": 5,
		"ichor_kafka_errors_total log_truncated": 1, "ichor_kafka_high_watermark": 9, "ichor_kafka_stable_end": 8, "ichor_kafka_log_start": 7, "ichor_kafka_bytes_total": 6,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

func TestPause(t *testing.T) {
	l := &Log{}
	l.opts.Fill()
	for failures := range 100 {
		want := min(DefaultBackoffMax, DefaultBackoffMin<<min(failures, 20))
		if got := l.pause(failures); got < want/2 || got > want {
			t.Fatalf("after %d failures %v, want %v..%v", failures, got, want/2, want)
		}
	}
}

func TestHash(t *testing.T) {
	// Anchors are stored in databases: this number never changes.
	if got := Hash(&Record{Key: []byte("key"), Value: []byte("value")}); got != 0x33cbde6ba3e251a3 {
		t.Errorf("%#x", got)
	}
	seen := map[uint64]bool{}
	for _, r := range []Record{{}, {Key: []byte{}}, {Value: []byte{}}, {Key: []byte("a")}, {Value: []byte("a")}, {Key: []byte("ab"), Value: []byte("c")}, {Key: []byte("a"), Value: []byte("bc")}} {
		seen[Hash(&r)] = true
	}
	if len(seen) != 7 {
		t.Errorf("%d different hashes of 7 records", len(seen))
	}
}
