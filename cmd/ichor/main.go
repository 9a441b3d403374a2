// Command ichor is the host of a cohort and its verbs.
//
// Exit codes: 0 ok, 1 the run failed, 2 the settings or the command line are wrong, 3 the
// environment lacks something, 4 the host that was asked is not ready.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/replay"
)

// The exit codes.
const (
	exitOK = iota
	exitRuntime
	exitSettings
	exitEnvironment
	exitNotReady
)

func main() { os.Exit(begin(os.Args[1:])) }

// begin is a command, or the child of one that checks a module.
func begin(args []string) int {
	if len(args) == 1 && args[0] == guest.ChildVerb {
		return guest.BeChild()
	}
	return run(args)
}

type commands struct {
	Run     runCommand     `cmd:"" help:"Replicate, until SIGTERM drains and ends it."`
	Check   checkCommand   `cmd:"" help:"Look at settings, topic, database and guests, and say what is wrong."`
	Db      dbCommand      `cmd:"" help:"The schema in the cohort's database."`
	Guest   guestCommand   `cmd:"" help:"The guests."`
	Status  statusCommand  `cmd:"" help:"What a running host is doing."`
	Top     topCommand     `cmd:"" help:"The same live, in a terminal."`
	Explain explainCommand `cmd:"" help:"Where a version stands in a running host, by its number or its xid, and what it waits for."`

	Quarantine quarantineCommand `cmd:"" help:"The versions that cannot be installed."`
	Abandon    abandonCommand    `cmd:"" help:"Have a candidate that has no decision count as aborted, for ever."`
	Pause      pauseCommand      `cmd:"" help:"Install nothing until a resume, in this host or the next."`
	Resume     resumeCommand     `cmd:"" help:"End a pause."`
	Handover   handoverCommand   `cmd:"" help:"Have the host that owns the cohort give it to one that stands by."`

	Verify  verifyCommand `cmd:"" help:"Hold the database against the log: the books of the host, and the rows against a serial replay."`
	Replay  replayCommand `cmd:"" help:"Say what a new module of a guest would have made of the past: statement by statement, and the rows."`
	Version versionFlag   `help:"Print the version."`

	Completion kongcompletion.Completion `cmd:"" help:"How a shell (bash, zsh, fish) completes the verbs and their options."`
}

type versionFlag bool

// BeforeReset implements kong's hook.
func (versionFlag) BeforeReset(app *kong.Kong) error {
	fmt.Fprintln(&stdout, host.Version())
	app.Exit(exitOK)
	return nil
}

// failure is an error with its exit code. Without an error the verb has said everything itself.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string {
	if f.err == nil {
		return fmt.Sprintf("exit code %d", f.code)
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

func run(args []string) int {
	ctx, stop := signals() // first of all, so that nothing is ended by a signal that nobody awaits
	defer stop()
	var cli commands
	parser, err := kong.New(&cli, kong.Name("ichor"), kong.Description("Ichor installs what a Talos certifier committed.\n\nExit codes, where a verb says no others: 0 ok, 1 runtime, 2 settings or command line, 3 environment, 4 the host that was asked is not ready."), kong.UsageOnError(), helpWords())
	if err != nil {
		fmt.Fprintln(os.Stderr, "ichor:", err)
		return exitSettings
	}
	kongcompletion.Register(parser)         // a shell that asks, by COMP_LINE, is answered and nothing else is done
	if len(args) > 0 && args[0] == "help" { // as people ask; the verb follows, if one does
		args = append(args[1:len(args):len(args)], "--help")
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ichor:", err)
		return exitSettings
	}
	command.BindTo(ctx, (*context.Context)(nil))
	if err = command.Run(); err == nil {
		err = stdout.err
	}
	if err == nil || unread(err) {
		return exitOK
	}
	var f *failure
	if errors.As(err, &f) && f.err == nil {
		return f.code
	}
	fmt.Fprintln(os.Stderr, "ichor:", shownError(err))
	if f != nil {
		return f.code
	}
	return exitRuntime
}

// helpWords are what the help of verbs takes from elsewhere.
func helpWords() kong.Vars {
	return kong.Vars{"languages": languages(), "newest": fmt.Sprint(replay.Newest), "fetched": fmt.Sprint(fetchedUnasked)}
}

// stdout is standard output as verbs write to it. A verb that found nothing else ends with the first error of a write: what it
// was to say is not there, on a full disk for one.
var stdout output

type output struct{ err error }

// Write implements io.Writer.
func (o *output) Write(text []byte) (int, error) {
	n, err := os.Stdout.Write(text)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// unread reports whether a verb ended because who read its standard output has seen enough, as head does. What it found
// before, or finds without writing, it returns instead.
func unread(err error) bool {
	var write *fs.PathError
	return errors.As(err, &write) && write.Path == os.Stdout.Name() && errors.Is(write.Err, syscall.EPIPE)
}

// signals returns a context that ends at SIGTERM, SIGINT or SIGHUP, which a terminal sends that is closed; a second one ends
// the process. That nobody reads what it writes ends no process.
func signals() (context.Context, context.CancelFunc) {
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // the default action is back for the second signal
	return ctx, stop
}

// withFile is the part of the commands that read the settings.
type withFile struct {
	Settings string `short:"c" name:"settings" help:"The file of settings." placeholder:"FILE" type:"path"`
}

// options reads the settings; what is wrong with them is a failure of the settings, and said at once.
func (w withFile) options() (host.Options, settings, error) {
	s, err := readSettings(w.Settings)
	if notRead(err) {
		return host.Options{}, s, &failure{exitSettings, err}
	}
	o, wrong := s.options()
	_, wrongLog := logger(s.Log, io.Discard) // check says so too, not run alone
	wrong = errors.Join(wrong, wrongLog)
	return o, s, wrongSettings(w.origin(), err, wrong)
}

// origin says where the settings come from.
func (w withFile) origin() string {
	if w.Settings == "" {
		return "settings (of the environment alone, since no file is named with -c)"
	}
	return "settings"
}

// equip gives guests what this machine has for them: a directory for compiled code, unless the
// settings name one, and a process of its own for each check. It returns an error that says
// why there is no directory, which costs time alone.
func equip(limits *guest.Options) (err error) {
	limits.Child = guest.OwnChild()
	if limits.CacheDir == "" {
		limits.CacheDir, err = guest.FindCacheDir()
	}
	if err != nil {
		return fmt.Errorf("compiled guests are not kept, so that each start takes seconds and memory to compile them: name a directory in guests.cache_directory: %w", err)
	}
	return nil
}
