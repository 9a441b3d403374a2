package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/guests"
	"github.com/ichor-replicator/ichor/host/guest"
)

type guestCommand struct {
	New      guestNewCommand      `cmd:"" help:"Make a project of a guest, which builds and passes its tests as it is."`
	Build    guestBuildCommand    `cmd:"" help:"Compile a project to a module, byte for byte the same wherever it is done."`
	Inspect  guestInspectCommand  `cmd:"" help:"Say what a module is: what it writes, its SQL, its limits, its cost."`
	Test     guestTestCommand     `cmd:"" help:"Run a module's vectors and check it against every clause of the contract."`
	Convert  guestConvertCommand  `cmd:"" help:"Show the SQL that statemaps become."`
	Fetch    guestFetchCommand    `cmd:"" help:"Write a range of the topic as input of convert and test."`
	Bench    guestBenchCommand    `cmd:"" help:"Measure what a statemap costs."`
	Keygen   guestKeygenCommand   `cmd:"" help:"Make a pair of keys to sign modules with."`
	Sign     guestSignCommand     `cmd:"" help:"Sign a module as the module of a guest, in a file .sig beside it."`
	Verify   guestVerifyCommand   `cmd:"" help:"Say whether a host would trust a module: its digest is pinned, and one of the keys signed it."`
	Push     guestPushCommand     `cmd:"" help:"Push a module and its signatures to a registry of containers."`
	Pull     guestPullCommand     `cmd:"" help:"Pull a module and its signatures from a registry; everything is compared with its digest."`
	Shadow   guestShadowCommand   `cmd:"" help:"Say what a module in shadow makes of the versions that it is compared over, before it converts."`
	Rollback guestRollbackCommand `cmd:"" help:"Have the cohort convert by the module before again, or by another that its database has, from the next version on."`
	History  guestHistoryCommand  `cmd:"" help:"Say which module converts which versions, and what became of each, by whom and why."`
	Swap     guestSwapCommand     `cmd:"" help:"Have the running host judge a module, and put it into the guest directory if it is taken."`
}

// withJSON is the part of the commands that can answer as JSON.
type withJSON struct {
	JSON bool `help:"Answer with one JSON object."`
}

// answer prints the value as JSON, or calls text.
func (w withJSON) answer(value any, text func()) error {
	if !w.JSON {
		text()
		return nil
	}
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	fmt.Fprintln(&stdout, string(line))
	return nil
}

// withModule is the part of the commands that look at a module.
type withModule struct {
	Path     string `arg:"" optional:"" help:"The module, or the project that was built; else the project in this directory." default:"." type:"path"`
	Settings string `short:"c" name:"settings" help:"A file of settings, whose limits and SQL policy are those of guests then; only its guests are looked at. Else guests.policy.yaml beside the module, if it is there." placeholder:"FILE" type:"path"`
}

// policyFile is what an author may keep beside a manifest: settings of which guests alone need
// to be there.
const policyFile = "guests.policy.yaml"

// limits returns the limits and the SQL policy of guests for a module in a directory, and the search path of database sessions,
// empty for the default. The directory for compiled code is the deployment's, and left alone.
func (w withModule) limits(directory string) (o guest.Options, searchPath string, err error) {
	file := w.Settings
	if file == "" {
		if file = filepath.Join(directory, policyFile); !exists(file) {
			return o, "", nil
		}
	}
	s, err := readFile(file)
	if notRead(err) {
		return o, "", &failure{exitSettings, err}
	}
	o = s.Guests.limits()
	o.CacheDir = ""
	if err := wrongSettings("settings: "+file, err, o.Validate()); err != nil {
		return o, "", err
	}
	schema, _, _ := strings.Cut(s.Database.SearchPath, ",")
	o.SQL.Schema = strings.Trim(schema, ` "`)
	return o, s.Database.SearchPath, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// module is a binary that a command looks at.
type module struct {
	name    string
	file    string
	bytes   []byte
	options guest.Options
	metrics *guest.Metrics
	log     *slog.Logger

	searchPath string // of sessions on a cohort's database; empty for the default
}

// short names a file as it is reached from here, if that is not a longer way.
func short(file string) string {
	here, err := os.Getwd()
	if err != nil {
		return file
	}
	relative, err := filepath.Rel(here, file)
	if err != nil || strings.HasPrefix(relative, "..") {
		return file
	}
	return relative
}

// read finds the module and reads it. A directory is a project, and the module what build made.
func (w withModule) read() (*module, error) {
	m := &module{file: w.Path, metrics: guest.NewMetrics(prometheus.NewRegistry())}
	m.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	stat, err := os.Stat(w.Path)
	if err != nil {
		return nil, &failure{exitEnvironment, err}
	}
	if stat.IsDir() {
		project, _, err := guests.Find(w.Path)
		if err != nil {
			return nil, &failure{exitEnvironment, err}
		}
		if m.file, err = guests.ModuleOf(project); err != nil {
			return nil, &failure{exitEnvironment, err}
		}
	}
	if m.options, m.searchPath, err = w.limits(filepath.Dir(m.file)); err != nil {
		return nil, err
	}
	_ = equip(&m.options) // without a directory each look takes longer, and that is all
	m.options.Passes = passed{}
	m.bytes, err = guest.ReadFile(m.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &failure{exitEnvironment, fmt.Errorf("%s is not there: build it first, with ichor guest build", m.file)}
	}
	if err != nil {
		return nil, &failure{exitEnvironment, err}
	}
	m.name = strings.TrimSuffix(filepath.Base(m.file), ".wasm")
	return m, nil
}

// passed are the checks that were passed in this run of a verb, which may load a module more
// than once.
type passed map[string]bool

// Passed implements guest.Passes.
func (p passed) Passed(_ context.Context, check string) (bool, error) { return p[check], nil }

// KeepPassed implements guest.Passes.
func (p passed) KeepPassed(_ context.Context, check, _, _ string) error {
	p[check] = true
	return nil
}

// load makes a generation of the module, with one instance. The caller closes it.
func (m *module) load(ctx context.Context) (*guest.Generation, error) {
	m.options.Instances = 1
	return guest.Load(ctx, m.name, m.bytes, m.options, m.log, m.metrics)
}

func (m *module) close(g *guest.Generation) {
	if err := g.Close(context.Background()); err != nil {
		m.log.Error("close the module", "error", err)
	}
}

type guestNewCommand struct {
	withJSON
	Lang   string `required:"" help:"What it is written in." placeholder:"${languages}"`
	Name   string `arg:"" help:"The guest's name, and that of the directory that is made: small letters, digits and hyphens."`
	Worked bool   `help:"Begin with the worked example, which has arrays, numbers and nesting, instead of the smallest guest."`
}

// Run implements the verb.
func (c *guestNewCommand) Run() error {
	if err := guests.New(guests.Language(c.Lang), c.Name, c.Name, c.Worked); err != nil {
		return &failure{exitSettings, err}
	}
	return c.answer(map[string]string{"project": c.Name, "language": c.Lang}, func() {
		fmt.Fprintf(&stdout, "%[1]s is a guest in %[2]s. Next: ichor guest build %[1]s, ichor guest test %[1]s; then %[1]s/README.md\n", c.Name, c.Lang)
	})
}

// languages are the words that --lang takes, for its help and for who leaves it out.
func languages() string {
	words := make([]string, 0, 4)
	for _, l := range guests.Languages() {
		words = append(words, string(l))
	}
	return strings.Join(words, "|")
}

type guestBuildCommand struct {
	withJSON
	Project string `arg:"" optional:"" help:"The project's directory, or one that holds it." default:"." type:"path"`
	Out     string `short:"o" help:"The module; else NAME.wasm in the project, with the name of its manifest." type:"path"`
}

// built is what build says.
type built struct {
	Module   string `json:"module"`
	Digest   string `json:"digest"`
	Bytes    int    `json:"bytes"`
	Language string `json:"language"`
	Compiler string `json:"compiler"`
	Pinned   bool   `json:"pinned"`
}

// Run implements the verb.
func (c *guestBuildCommand) Run(ctx context.Context) error {
	r, err := guests.Build(ctx, c.Project, c.Out)
	var (
		missing *guests.MissingCompiler
		project *guests.ProjectError
	)
	switch {
	case errors.As(err, &missing), errors.As(err, &project), errors.Is(err, fs.ErrNotExist):
		return &failure{exitEnvironment, err}
	case err != nil:
		return err
	}
	binary, err := guest.ReadFile(r.Module)
	if err != nil {
		return err
	}
	b := built{r.Module, guest.DigestOf(binary).String(), len(binary), string(r.Language), r.Compiler.Version, r.Compiler.Pinned}
	return c.answer(b, func() {
		fmt.Fprintf(&stdout, "%s\n%s, %d bytes, %s %s\n", short(b.Module), b.Digest, b.Bytes, b.Language, b.Compiler)
		if !b.Pinned {
			fmt.Fprintf(&stdout, "this is not the version %s, whose bytes are known: another compiler makes other bytes\n", guests.Pinned(r.Language))
		}
	})
}
