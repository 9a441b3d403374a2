// Command demo shows Ichor at work on one machine with nothing to install beyond Go: a broker
// in this process, a private PostgreSQL, a workload with a faithful certifier, the banking
// guest, and the real host as a process of its own, which it may kill and whose guest it may
// swap under load. At the end it judges what the host did, from the log and the database alone.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// The exit codes: all is as it should be, something differs or failed, the flags are wrong.
const (
	exitOK = iota
	exitFailed
	exitUsage
)

// run parses the flags, runs the demonstration and prints its verdict.
func run(args []string, out, errors io.Writer) int {
	o, err := parse(args, out)
	switch {
	case err != nil:
		fmt.Fprintln(errors, "demo:", err)
		return exitUsage
	case o == nil:
		return exitOK // the help was asked for
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	report, err := demonstrate(ctx, *o, newScreen(out), func(r *report) error { return tell(out, r, o.JSON) })
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("interrupted: %w", err)
	}
	if err != nil {
		fmt.Fprintln(errors, "demo:", err)
		return exitFailed
	}
	if !report.OK() {
		return exitFailed
	}
	return exitOK
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
	helped := false
	parser, err := kong.New(&o,
		kong.Name("demo"),
		kong.Description("Ichor on one machine: broker, database, workload, guest, host, and a verdict."),
		kong.DefaultEnvars("DEMO"),
		kong.Writers(out, out),
		kong.Exit(func(int) { helped = true }),
	)
	if err != nil {
		return nil, err
	}
	if _, err = parser.Parse(args); helped {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &o, o.validate()
}
