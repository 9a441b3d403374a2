package main

import (
	"errors"
	"fmt"
	"time"
)

// options are the flags. Each may also be given by an environment variable, DEMO_RATE for
// --rate.
type options struct {
	Example   string        `default:"banking" enum:"banking,orders" help:"The example to show: banking or orders."`
	Transfers int           `default:"20000" help:"Committed transfers, or changes of orders, to make, at least; 0 for no such end."`
	For       time.Duration `help:"Time to make traffic, at least; the workload ends when this and --transfers are reached."`
	Rate      float64       `default:"2500" help:"Candidates a second; 0 for as many as the broker takes."`
	Accounts  int           `default:"1000" help:"Accounts of the bank, or articles of the shop."`
	Seed      uint64        `default:"1" help:"Seed of the workload."`
	Prune     int           `help:"Candidates that the certifier keeps; 0 for all. Pruning makes its safepoints too low, as in the real one."`
	Kill      int           `help:"Times to kill the host under load."`
	Swap      int           `help:"Times to swap the guest under load."`
	Keep      bool          `help:"Keep everything running after the verdict, until Ctrl-C, and say what to try."`
	Leave     bool          `help:"Leave the database, the log and the settings behind, and say where."`
	JSON      bool          `name:"json" help:"Print the verdict as one JSON object too, as the last line."`
	Ichor     string        `help:"Host binary to use instead of building one." type:"existingfile"`
	Guest     string        `help:"Guest module to use instead of building the example's in Go." type:"existingfile"`
	Settle    time.Duration `default:"180s" help:"How long the host may make no progress before the demonstration gives up."`
}

func (o options) validate() error {
	var errs []error
	for name, n := range map[string]int{"transfers": o.Transfers, "kill": o.Kill, "swap": o.Swap, "prune": o.Prune} {
		if n < 0 {
			errs = append(errs, fmt.Errorf("--%s is negative", name))
		}
	}
	if o.Rate < 0 {
		errs = append(errs, errors.New("--rate is negative"))
	}
	if o.Transfers == 0 && o.For <= 0 {
		errs = append(errs, errors.New("one of --transfers and --for must say when the workload ends"))
	}
	if o.Accounts < 4 {
		errs = append(errs, errors.New("--accounts must be at least 4"))
	}
	return errors.Join(errs...)
}
