package main

import (
	"errors"
	"fmt"
	"time"
)

// options are the flags.
type options struct {
	Kills     int           `default:"100" help:"Faults, each of another kind in turn; a third of them kill or freeze the host."`
	Seed      uint64        `default:"1" help:"Seed of the order of faults, of the traffic and of when they meet."`
	Accounts  int           `default:"60" help:"Accounts of the bank."`
	Batch     int           `default:"150" help:"Candidates around each fault."`
	Lanes     int           `default:"4" help:"Lanes of the host."`
	Guard     bool          `help:"Leave the guard by version in the guest's SQL, and run the cohort's real initiator beside the host, which needs it."`
	Only      string        `help:"Faults of this name only." placeholder:"NAME"`
	Patience  time.Duration `default:"60s" help:"How long the host may take to install everything after a fault."`
	Ichor     string        `help:"Host binary to use instead of building one; it must be built with -tags crashpoints." type:"existingfile"`
	Guest     string        `help:"Guest module to use instead of building the banking example's." type:"existingfile"`
	Leave     bool          `help:"Leave the database, the log and the settings behind, and say where."`
	Forgiving bool          `help:"Go on after a violation, and tell of all at the end."`
}

func (o *options) validate() error {
	var errs []error
	for name, n := range map[string]int{"kills": o.Kills, "batch": o.Batch, "lanes": o.Lanes} {
		if n < 1 {
			errs = append(errs, fmt.Errorf("--%s is below 1", name))
		}
	}
	if o.Accounts < 4 {
		errs = append(errs, errors.New("--accounts must be at least 4"))
	}
	if o.Only != "" && len(named(o.Only)) == 0 {
		errs = append(errs, fmt.Errorf("--only %s: there is no such fault; there are %s", o.Only, names()))
	}
	return errors.Join(errs...)
}
