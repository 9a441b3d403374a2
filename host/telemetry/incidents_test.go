package telemetry

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// What happens beside an outage is a line, once it is clear that none began; what belongs to one is not.
func TestIncidentsOfAnOutageAreNoLines(t *testing.T) {
	const second = int64(time.Second)
	for name, c := range map[string]struct {
		happens []int64 // seconds
		outage  [2]int64
		settled int64
		all     bool
		want    string
	}{
		"alone":                          {happens: []int64{100, 101, 102}, settled: 107, want: "level=WARN msg=lost number=2 times=3"},
		"too early to tell":              {happens: []int64{100}, settled: 105},
		"too early, and the end":         {happens: []int64{100}, settled: 105, all: true, want: "level=WARN msg=lost number=0 times=1"},
		"just before an outage":          {happens: []int64{100}, outage: [2]int64{104, 200}, settled: 104},
		"in an outage that goes on":      {happens: []int64{150}, outage: [2]int64{104, 200}, settled: 160},
		"in the end of one":              {happens: []int64{199}, outage: [2]int64{104, 200}, settled: 207},
		"what an outage left":            {happens: []int64{203}, outage: [2]int64{104, 200}, settled: 210},
		"long after one":                 {happens: []int64{207}, outage: [2]int64{104, 200}, settled: 214, want: "level=WARN msg=lost number=0 times=1"},
		"in an outage that ends the run": {happens: []int64{150}, outage: [2]int64{104, 200}, settled: 151, all: true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			now := int64(0)
			s := NewIncidents(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}})), func() (bool, int64) {
				switch {
				case c.outage[0] == 0 || now < c.outage[0]*second:
					return false, 0
				case now < c.outage[1]*second:
					return true, 0
				}
				return false, c.outage[1] * second
			})
			for i, at := range c.happens {
				s.Say(at*second, slog.LevelWarn, "lost", "number", i)
			}
			now = c.settled * second
			s.Settle(now, c.all)
			s.Settle(now, c.all) // it is said once
			if got := strings.TrimSpace(out.String()); got != c.want {
				t.Errorf("it says %q, want %q", got, c.want)
			}
		})
	}
}
