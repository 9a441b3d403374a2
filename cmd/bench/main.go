// Command bench measures, in one run on one machine, how fast the real host installs a backlog
// and how far behind a steady load it is, next to the bare database doing the same work with the
// same statements: one transaction a version on one and on fifty connections, and groups on one.
//
// It asserts nothing about speed. It fails when something does not work, or when what the host
// installed is not what a serial replay of the log gives.
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

// The exit codes: the figures are there, something failed, the flags are wrong.
const (
	exitOK = iota
	exitFailed
	exitUsage
)

// run parses the flags, measures and prints.
func run(args []string, out, errors io.Writer) int {
	o, err := parse(args, out)
	switch {
	case err != nil:
		fmt.Fprintln(errors, "bench:", err)
		return exitUsage
	case o == nil:
		return exitOK // the help was asked for
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	r, err := measure(ctx, *o, out)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("interrupted: %w", err)
	}
	if err != nil {
		fmt.Fprintln(errors, "bench:", err)
		return exitFailed
	}
	r.print(out)
	if o.JSON {
		text, err := json.Marshal(r)
		if err != nil {
			fmt.Fprintln(errors, "bench:", err)
			return exitFailed
		}
		fmt.Fprintf(out, "%s\n", text)
	}
	return exitOK
}

// parse returns the options, or nil when the help was asked for and is printed.
func parse(args []string, out io.Writer) (*options, error) {
	var o options
	helped := false
	parser, err := kong.New(&o,
		kong.Name("bench"),
		kong.Description("How fast the host installs, next to the bare database."),
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
	if o.Quick {
		o.hurry()
	}
	return &o, o.validate()
}
