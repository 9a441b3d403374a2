package main

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// options are the flags.
type options struct {
	Candidates int           `default:"110000" help:"Candidates of the backlog, with a decision each."`
	Accounts   int           `default:"1000" help:"Accounts of the bank."`
	Seed       uint64        `default:"1" help:"Seed of the workload."`
	Rounds     int           `default:"3" help:"Times to install the backlog and to climb the ladder, one after the other; medians are shown."`
	Memory     int           `default:"0" help:"Candidates of a long backlog, once decided and once undecided, whose memory is measured; 0 leaves it out."`
	Rate       float64       `default:"1000" help:"Candidates a second of the steady load."`
	For        time.Duration `default:"30s" help:"How long the steady load lasts; 0 leaves it out."`
	Delay      int           `default:"4" help:"Messages by which the certifier's decision may come after its candidate, under the steady load."`
	Lanes      int           `default:"0" help:"Connections that the host installs with; 0 for its default."`
	LaneCounts []int         `default:"1,2,4,8" help:"Lanes to compare, next to the database and far from it."`
	Group      int           `default:"0" help:"Versions that the host installs in one transaction at most; 0 for its default."`
	Quick      bool          `help:"A few seconds only, to see that it works; the figures mean little."`
	JSON       bool          `name:"json" help:"Print the figures as one JSON object too, as the last line."`
	Ichor      string        `help:"Host binary to use instead of building one." type:"existingfile"`
	Patience   time.Duration `default:"60s" help:"How long the host may make no progress before the benchmark gives up."`
}

// quick makes everything small.
func (o *options) quick() {
	o.Candidates, o.Rounds, o.Rate, o.For = 3_000, 1, 200, 2*time.Second
	o.LaneCounts = o.LaneCounts[:1]
}

// leaveOut is how much of the beginning of the steady load does not count, while all is cold.
func (o *options) leaveOut() time.Duration { return min(2*time.Second, o.For/4) }

func (o *options) validate() error {
	var errs []error
	for name, n := range map[string]int{"delay": o.Delay, "lanes": o.Lanes, "group": o.Group, "memory": o.Memory} {
		if n < 0 {
			errs = append(errs, fmt.Errorf("--%s is negative", name))
		}
	}
	if len(o.LaneCounts) == 0 || slices.Min(o.LaneCounts) < 1 {
		errs = append(errs, errors.New("--lane-counts must name one number at least, each above 0"))
	}
	if o.Candidates < 100 {
		errs = append(errs, errors.New("--candidates must be at least 100"))
	}
	if o.Accounts < 4 {
		errs = append(errs, errors.New("--accounts must be at least 4"))
	}
	if o.Rounds < 1 {
		errs = append(errs, errors.New("--rounds must be at least 1"))
	}
	if o.For > 0 && o.Rate <= 0 {
		errs = append(errs, errors.New("--rate must be above 0"))
	}
	return errors.Join(errs...)
}
