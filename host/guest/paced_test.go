package guest

import (
	"testing"
	"time"
)

// TestSlicesArePaced: a unit that waits for memory takes a thousand times as long as another, and a slice of such
// units is made so small that it ends in time; one of quick units is large.
func TestSlicesArePaced(t *testing.T) {
	for _, unit := range []time.Duration{0, 1, 20, 240, 5_000} { // ns
		slice := int64(fuelSlice)
		for range 20 {
			slice = paced(slice, time.Duration(slice)*unit)
		}
		switch took := time.Duration(slice) * unit; {
		case unit <= 1 && slice != fuelSlice:
			t.Errorf("a slice of units of %d ns has %d units", unit, slice)
		case took > 2*sliceTime && slice > sliceLeast:
			t.Errorf("a slice of units of %d ns takes %v", unit, took)
		}
	}
	slice := paced(fuelSlice, time.Second) // the processor was taken away meanwhile
	for range 10 {
		slice = paced(slice, time.Duration(slice))
	}
	if slice != fuelSlice {
		t.Errorf("slices stay small: %d units", slice)
	}
}
