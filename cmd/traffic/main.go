// Command traffic is what happens in the bank of the example, for a cohort that runs elsewhere: it sends
// candidates and the decisions of a faithful certifier to a topic of certification, and installs a part of
// the transfers itself, as a cohort's initiator does beside the host.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/program"
	"github.com/ichor-replicator/ichor/examples/banking/initiator"
	"github.com/ichor-replicator/ichor/examples/banking/workload"
	"github.com/ichor-replicator/ichor/examples/certification"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// options are the flags.
type options struct {
	Brokers   []string      `required:"" help:"Where the brokers are."`
	Topic     string        `required:"" help:"A topic of one partition with nothing in it: versions are its offsets, and nobody else writes there."`
	Database  string        `help:"A file with the URL of the cohort's database, for the initiator; without it there is none." type:"existingfile"`
	Transfers int           `help:"Committed transfers after which it ends; 0 for none."`
	Rate      float64       `default:"200" help:"Candidates a second; 0 for as many as the brokers take."`
	Accounts  int           `default:"1000" help:"Accounts of the bank, which are there."`
	Seed      uint64        `default:"1" help:"Seed of the workload."`
	Prune     int           `default:"20000" help:"Candidates that the certifier keeps; 0 for all. Pruning makes its safepoints too low, as in the real one."`
	Every     int           `default:"4" help:"How many transfers there are to one that the initiator asked for."`
	Tell      time.Duration `default:"10s" help:"How often it says how far it is."`
}

// run parses the flags and makes the traffic until it is told to end.
func run(args []string, out, problems io.Writer) int {
	var o options
	more, err := program.Parse("traffic", "Candidates, decisions and an initiator of the banking example.", &o, args, out)
	switch {
	case err != nil:
		fmt.Fprintln(problems, "traffic:", err)
		return program.ExitUsage
	case !more:
		return program.ExitOK
	}
	return program.Run("traffic", problems, func(ctx context.Context) (bool, error) {
		err := o.send(ctx, out)
		return err == nil, err
	})
}

// send makes the traffic until the transfers are sent or told ends, and then sends the decisions that are still owed. It
// returns the first error of either writer.
func (o *options) send(told context.Context, out io.Writer) error {
	generator, err := workload.New(workload.Options{
		Seed: o.Seed, Accounts: o.Accounts, Transfers: o.Transfers, Prune: o.Prune, Now: time.Now,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(told))
	defer cancel(nil)
	ended, stop, err := o.beside(ctx, cancel)
	if err != nil {
		return err
	}
	shown := time.Now()
	err = certification.Produce(ctx, generator, certification.Target{
		Brokers: o.Brokers, Topic: o.Topic, Rate: o.Rate, Until: func(certification.Counts) bool { return told.Err() != nil },
		Progress: func(c certification.Counts) {
			if time.Since(shown) >= o.Tell {
				shown = time.Now()
				fmt.Fprintf(out, "%d candidates, %d transfers committed\n", c.Candidates, c.Done)
			}
		},
	})
	if err == nil {
		c := generator.Counts()
		fmt.Fprintf(out, "all is sent: %d candidates, %d transfers committed\n", c.Candidates, c.Done)
	}
	stop()
	stats := <-ended
	if o.Database != "" {
		fmt.Fprintf(out, "the initiator was first with %d transfers, and second with %d\n", stats.Installed, stats.Already)
	}
	return err
}

// beside runs the initiator until stop is called or ctx ends; what it did comes from ended. Its failure ends ctx.
func (o *options) beside(ctx context.Context, fail context.CancelCauseFunc) (ended <-chan initiator.Stats, stop func(), err error) {
	done := make(chan initiator.Stats, 1)
	if o.Database == "" {
		done <- initiator.Stats{}
		return done, func() {}, nil
	}
	text, err := os.ReadFile(o.Database)
	if err != nil {
		return nil, nil, fmt.Errorf("--database: %w", err)
	}
	beside := initiator.New(initiator.Options{Brokers: o.Brokers, Topic: o.Topic, Database: strings.TrimSpace(string(text)), Every: o.Every})
	ctx, stop = context.WithCancel(ctx)
	go func() {
		if err := beside.Run(ctx); err != nil {
			fail(err)
		}
		done <- beside.Stats()
	}()
	return done, stop, nil
}
