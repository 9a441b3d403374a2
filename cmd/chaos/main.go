// Command chaos breaks what a host stands on, again and again, and checks after each fault that
// everything is installed exactly once: the real binary, with the crash points of package crash built in, a
// PostgreSQL behind a proxy that cuts and sometimes a pooler, brokers in a process of their own, a guest whose
// SQL has no guard against a second install, and another writer on the same rows. All the while it holds what
// the hosts say on /readyz against what is decided and what is installed, the order of the commits against the
// fence and the versions, and the published offset against the resume point. It prints what it broke, what the
// hosts said meanwhile and how soon, and how long it took to install again.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/ichor-replicator/ichor/cmd/internal/program"
)

// brokerVerb makes the program be brokers.
const brokerVerb = "broker"

func main() { os.Exit(begin(os.Args[1:], os.Stdout, os.Stderr)) }

// begin is the driver, or the brokers that one started.
func begin(args []string, out, problems io.Writer) int {
	if len(args) > 2 && args[0] == brokerVerb {
		return program.Run("chaos broker", problems, func(ctx context.Context) (bool, error) { return true, beBroker(ctx, args[1], args[2:]) })
	}
	var o options
	more, err := program.Parse("chaos", "Breaks what a host stands on, and checks that everything is installed exactly once.", &o, args, out)
	if err == nil && more {
		err = o.validate()
	}
	switch {
	case err != nil:
		fmt.Fprintln(problems, "chaos:", err)
		return program.ExitUsage
	case !more:
		return program.ExitOK
	}
	return program.Run("chaos", problems, func(ctx context.Context) (bool, error) {
		r, err := breakAll(ctx, &o, out)
		if r != nil {
			r.print(out)
		}
		return err == nil, err
	})
}
