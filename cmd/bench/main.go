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

	"github.com/ichor-replicator/ichor/cmd/internal/program"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run parses the flags, measures and prints.
func run(args []string, out, problems io.Writer) int {
	o, err := parse(args, out)
	switch {
	case err != nil:
		fmt.Fprintln(problems, "bench:", err)
		return program.ExitUsage
	case o == nil:
		return program.ExitOK // the help was asked for
	}
	return program.Run("bench", problems, func(ctx context.Context) (bool, error) {
		r, err := measure(ctx, *o, out)
		if err != nil {
			return false, err
		}
		return true, tell(out, r, o.JSON)
	})
}

// tell prints what was measured.
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
	more, err := program.Parse("bench", "How fast the host installs, next to the bare database.", &o, args, out)
	if err != nil || !more {
		return nil, err
	}
	if o.Quick {
		o.quick()
	}
	return &o, o.validate()
}
