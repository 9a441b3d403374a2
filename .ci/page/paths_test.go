package page

import "testing"

func TestPipelineShowsEachStation(t *testing.T) {
	p := open(t, newFakeHost(0), "", "", "", usual)
	for _, station := range []string{"Log", "Suffix", "Queue", "Lanes", "Snapshot"} {
		p.says(".stage h3", station)
	}
	p.says(".verdict", "Ready")
	p.says(".stage", "in flight, 4 of 4 lanes")
	p.says("main", "61 MiB of 256 MiB (24 %)")
	p.until(`[...document.querySelectorAll('.stage .rate')].filter((e) => /^(9|1,0|1,1)\d\d\/s/.test(e.innerText)).length >= 4`)
	p.says("header", "read-only")
}
