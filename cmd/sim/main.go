// Command sim plays seeds of the simulator: host/sim says what that is.
package main

import (
	"io"
	"os"
	"fmt"

	"github.com/ichor-replicator/ichor/cmd/internal/program"
	"github.com/ichor-replicator/ichor/host/sim"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

type options struct {
	Seed uint64
	Candidates int
	Turns int
	Without []string
}

func run(args []string, out, problems io.Writer) int {
	var o options
	if _, err := program.Parse("sim", "sim", &o, args, out); err != nil {
		fmt.Fprintln(problems, err)
		return 1
	}
	r := sim.Play{Seed: o.Seed, Candidates: o.Candidates, Turns: o.Turns, Without: o.Without, Trace: out}.Run()
	fmt.Println(r)
	return 0
}
