// Package program is what the demonstration and the benchmarks have in common as commands: flags,
// signals, exit codes.
package program

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// The exit codes: all is as it should be, something failed, the flags are wrong.
const (
	ExitOK = iota
	ExitFailed
	ExitUsage
)

// Parse parses the flags into options, a pointer to a struct with kong's tags. It reports false when
// the help was asked for and is printed.
func Parse(name, description string, options any, args []string, out io.Writer, more ...kong.Option) (bool, error) {
	helped := false
	parser, err := kong.New(options, append(more,
		kong.Name(name),
		kong.Description(description),
		kong.Writers(out, out),
		kong.Exit(func(int) { helped = true }),
	)...)
	if err != nil {
		return false, err
	}
	if _, err = parser.Parse(args); helped {
		return false, nil
	}
	return err == nil, err
}

// Run does what the program is for, with a context that ends at the first interrupt; a second one
// ends the process at once. An error is printed. The exit code is ExitOK when do says so.
func Run(name string, problems io.Writer, do func(context.Context) (ok bool, err error)) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	ok, err := do(ctx)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("interrupted: %w", err)
	}
	if err != nil {
		fmt.Fprintf(problems, "%s: %v\n", name, err)
	}
	if err != nil || !ok {
		return ExitFailed
	}
	return ExitOK
}
