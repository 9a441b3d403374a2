// Command demo shows Ichor at work on one machine with nothing to install beyond Go: a broker
// in this process, a private PostgreSQL, a workload with a faithful certifier, an
// example's guest, and the real host as a process of its own, which it may kill and whose guest it may
// swap under load. At the end it judges what the host did, from the log and the database alone.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"github.com/ichor-replicator/ichor/cmd/internal/program"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run parses the flags, runs the demonstration and prints its verdict.
func run(args []string, out, problems io.Writer) int {
	o, err := parse(args, out)
	switch {
	case err != nil:
		fmt.Fprintln(problems, "demo:", err)
		return program.ExitUsage
	case o == nil:
		return program.ExitOK // the help was asked for
	}
	return program.Run("demo", problems, func(ctx context.Context) (bool, error) {
		report, err := demonstrate(ctx, *o, newScreen(out), func(r *report) error { return tell(out, r, o.JSON) })
		return err == nil && report.OK(), err
	})
}

// tell prints a verdict.
func tell(out io.Writer, r *report, asJSON bool) error {
	r.print(out)
	if !asJSON {
		return nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", text)
	return err
}

// parse returns the options, or nil when the help was asked for and is printed.
func parse(args []string, out io.Writer) (*options, error) {
	var o options
	more, err := program.Parse("demo", "Ichor on one machine: broker, database, workload, guest, host, and a verdict.",
		&o, args, out, kong.DefaultEnvars("DEMO"))
	if err != nil || !more {
		return nil, err
	}
	return &o, o.validate()
}
