package stage

import (
	"slices"
	"time"
)

// Percentile returns the smallest value that p of 100 do not exceed; 0 for none. It sorts them.
func Percentile(values []time.Duration, p int) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[(len(values)*p+99)/100-1]
}

// Milliseconds returns a duration as reports have it, whole microseconds.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
