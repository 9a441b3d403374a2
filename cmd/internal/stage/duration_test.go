package stage

import (
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	if p50, p99, none := Percentile(hundred, 50), Percentile(hundred, 99), Percentile(nil, 50); p50 != 50 || p99 != 99 || none != 0 {
		t.Errorf("p50 %d, p99 %d, of none %d", p50, p99, none)
	}
	if one := Percentile([]time.Duration{7}, 99); one != 7 {
		t.Errorf("p99 of one value is %d", one)
	}
}
