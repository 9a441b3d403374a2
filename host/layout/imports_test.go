package layout

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What is allowed is in the tables below; they are read beside the files themselves, so a
// cached result is never older than the code. A new package, a new import or a new dependency
// needs a line here, and its reason in RATIONALE.md.

const (
	module = "github.com/ichor-replicator/ichor/"
	root   = "../.." // of the repository, from this directory
)

// imports says which of our packages each of our packages may import. Arrows point one way:
// cmd → host → what joins the stages (session, rollout, telemetry, spans, admin; status below them) → the
// stages → the words; the stages never import one another, and nothing imports host but cmd.
var imports = map[string][]string{
	"abi":                   {},
	"host/guest/conform":    {"abi", "host/guest", "host/talos"},
	"guests":                {"abi"},
	"guests/assemblyscript": {},
	"guests/c":              {},
	"guests/go":             {"abi"},
	"guests/rust":           {},
	"guests/go/guesttest":   {"abi", "guests/go"},
	"host/ring":             {},
	"host/crash":            {},
	"host/cohort":           {"host/talos"},
	"host/talos":            {},
	"host/talos/recording":  {"host/talos"},

	"host/metric":     {},
	"host/timing":     {"host/talos"},
	"host/suffix":     {"host/cohort", "host/ring", "host/talos"},
	"host/queue":      {"host/cohort", "host/ring", "host/talos", "host/timing"},
	"host/replicator": {"host/cohort", "host/queue", "host/ring", "host/suffix", "host/talos", "host/timing"},

	"host/kafka":       {"host/metric", "host/talos"},
	"host/guest":       {"abi", "host/guest/fuel", "host/guest/sqlpolicy", "host/guest/wasm", "host/metric", "host/talos"},
	"host/guest/trust": {"host/guest"},
	"host/guest/oci":   {"abi", "host/guest/trust"},
	"host/installer":   {"host/cohort", "host/crash", "host/installer/querytree", "host/talos"},
	"host/status":      {"host/replicator", "host/talos", "host/timing"},
	"host/telemetry":   {"host/metric", "host/replicator", "host/status", "host/talos", "host/timing"},
	"host/spans":       {"host/metric", "host/talos", "host/timing"},
	"host/rollout":     {"abi", "host/cohort", "host/crash", "host/guest", "host/guest/trust", "host/installer", "host/replicator", "host/rollout/shadow", "host/status", "host/talos"},
	"host/session": {"host/cohort", "host/crash", "host/guest", "host/installer", "host/kafka", "host/queue", "host/replicator", "host/rollout", "host/spans", "host/status",
		"host/suffix", "host/talos", "host/telemetry", "host/timing"},
	"host/verify":         {"host/guest", "host/installer", "host/kafka", "host/rollout", "host/talos", "host/talos/recording", "host/verify/books"},
	"host/verify/books":   {"host/cohort", "host/talos"},       // for models and for what is real
	"host/rollout/shadow": {"abi", "host/guest", "host/talos"}, // pure, for a replay and for what runs beside a host
	"host/replay":         {"host/guest", "host/installer", "host/rollout", "host/cohort", "host/rollout/shadow", "host/talos", "host/verify", "host/verify/books"},

	"host/admin": {"host/guest", "host/installer", "host/replicator", "host/rollout", "host/status", "host/talos", "host/timing"}, // the types that it shows
	"host": {"abi", "host/admin", "host/crash", "host/guest", "host/installer", "host/kafka", "host/replicator", "host/rollout", "host/session",
		"host/guest/trust", "host/spans", "host/status", "host/talos", "host/telemetry", "host/timing", "host/verify"},

	"host/installer/querytree": {},

	"host/sim": {"host/cohort", "host/queue", "host/replicator", "host/suffix", "host/talos", "host/verify/books"}, // the core alone, above models

	"host/guest/fuel/proof": {"host/guest/wasm"},
	"host/guest/wasm":       {},
	"host/guest/fuel":       {"host/guest/fuel/proof", "host/guest/wasm"},
	"host/guest/sqlpolicy":  {"abi"},

	"host/talos/talostest":             {"host/talos", "host/talos/recording"},
	"host/kafka/kafkatest":             {},
	"host/spans/spanstest":             {},
	"host/installer/pgtest":            {},
	"host/guest/guesttest":             {"guests"},
	"host/guest/guesttest/changed":     {"guests/go"},
	"host/guest/guesttest/misbehaving": {"guests/go"},
	"host/guest/guesttest/order":       {"guests/go"},
	"host/guest/guesttest/values":      {"guests/go"},
	"host/hosttest":                    {"host/kafka/kafkatest", "host/talos/talostest"},
	"host/layout":                      {},

	"examples/banking/guest":            {"abi", "guests/go"},
	"examples/banking":                  {},
	"examples/banking/workload":         {"examples/banking", "examples/certification"},
	"examples/banking/workload/verdict": {"examples/certification/transcript", "host/talos"},
	"examples/banking/initiator":        {"host/talos"},

	"examples/orders":                  {},
	"examples/orders/guest":            {"abi", "guests/go"},
	"examples/orders/workload":         {"examples/certification"},
	"examples/orders/workload/verdict": {"examples/certification/transcript", "host/talos"},

	"examples/certification":            {"host/talos"}, // what all examples have in common
	"examples/certification/transcript": {"host/talos"},

	"cmd/ichor":            {"abi", "guests", "host", "host/admin", "host/talos", "host/talos/recording", "host/guest", "host/guest/conform", "host/guest/oci", "host/guest/sqlpolicy", "host/guest/trust", "host/installer", "host/kafka", "host/replay", "host/replicator", "host/rollout", "host/rollout/shadow", "host/spans", "host/status", "host/timing", "host/verify", "host/verify/books"},
	"cmd/internal/program": {},
	"cmd/internal/stage": {"examples/banking", "examples/banking/workload/verdict", "examples/certification/transcript", "host/guest/guesttest", "host/hosttest",
		"host/installer", "host/installer/pgtest", "host/cohort", "host/kafka", "host/kafka/kafkatest", "host/talos", "host/timing", "host/verify", "host/verify/books"},
	"cmd/sim":     {"cmd/internal/program", "host/sim"},
	"cmd/traffic": {"cmd/internal/program", "examples/banking/initiator", "examples/banking/workload", "examples/certification"},
	"cmd/demo": {"cmd/internal/program", "cmd/internal/stage", "examples/banking/initiator", "examples/banking/workload",
		"examples/banking/workload/verdict", "examples/certification", "examples/certification/transcript", "examples/orders", "examples/orders/workload",
		"examples/orders/workload/verdict", "host/cohort", "host/hosttest", "host/installer", "host/talos", "host/timing", "host/verify", "host/verify/books"},
	"cmd/chaos": {"cmd/internal/program", "cmd/internal/stage", "examples/banking/initiator", "examples/banking/workload/verdict",
		"host/crash", "host/guest/guesttest", "host/hosttest", "host/installer/pgtest", "host/kafka/kafkatest", "host/status", "host/talos", "host/verify/books"},
	"cmd/bench": {"cmd/internal/program", "cmd/internal/stage", "examples/banking/initiator", "examples/banking/workload",
		"examples/banking/workload/verdict", "examples/certification", "examples/certification/transcript", "host/guest/guesttest", "host/hosttest", "host/kafka/kafkatest", "host/spans/spanstest", "host/talos", "host/timing"},
}

// testers may be imported by every test, and by the demonstration and the benchmarks.
var testers = []string{"examples/banking", "guests/go/guesttest", "host/guest/guesttest", "host/hosttest", "host/installer/pgtest", "host/kafka/kafkatest", "host/spans/spanstest", "host/talos/talostest"}

// testImports is what the tests of a package may import beyond that and its own imports.
var testImports = map[string][]string{
	"host/guest/conform":                {"guests", "host/talos/recording"}, // the languages of the kits
	"guests/assemblyscript":             {"guests"},
	"host":                              {"examples/banking/initiator", "host/cohort", "host/metric", "guests"}, // the other writer of a cohort; what is measured; histories; the languages
	"host/guest":                        {"guests", "guests/go", "examples/orders/workload"},                    // the languages, a guest that was built in, to compare with, and what it converts
	"host/guest/oci":                    {"host/guest"},                                                         // digests
	"host/guest/fuel":                   {"abi", "guests"},                                                      // what fuel costs a guest in each language
	"examples/banking/workload/verdict": {"examples/banking/workload", "examples/certification"},
	"examples/banking/workload":         {"host/talos"},
	"examples/certification":            {"examples/banking/workload"},   // something to certify
	"host/replay":                       {"guests"},                      // the bank's guests in two languages
	"host/sim":                          {"host/installer"},              // to compare the model of the database with
	"host/verify":                       {"host/cohort"},                 // histories
	"host/installer":                    {"abi", "host/guest/sqlpolicy"}, // templates go through both
	"cmd/ichor":                         {"examples/certification", "examples/certification/transcript", "examples/orders", "examples/orders/workload", "examples/orders/workload/verdict"},
	"cmd/demo":                          {"host/admin"},                                                                               // it asks the real listener
	"cmd/traffic":                       {"examples/banking/workload/verdict", "examples/certification/transcript", "host/installer"}, // what it left in the log; the tables of a cohort
}

// doors says who may import an outside dependency; its tests may too. Packages that are not of
// the host come after the one door in it.
var doors = map[string][]string{
	"github.com/segmentio/kafka-go":  {"host/kafka"},
	"github.com/cespare/xxhash/v2":   {"host/kafka"},
	"github.com/tetratelabs/wazero":  {"host/guest"},
	"github.com/wasilibs/go-pgquery": {"host/guest/sqlpolicy"},
	"github.com/jackc/pgx/v5": {"host/installer", "host/installer/pgtest", "host/hosttest", "examples/banking", "examples/banking/initiator", "examples/banking/workload/verdict", "examples/certification/transcript", "examples/orders", "examples/orders/workload/verdict",
		"cmd/internal/stage", "cmd/demo", "cmd/bench", "cmd/chaos"},
	"github.com/fsnotify/fsnotify":                                    {"host/rollout"},
	"github.com/prometheus/client_golang":                             {"host", "host/admin", "host/guest", "host/kafka", "host/metric", "host/spans", "host/telemetry", "cmd/ichor"},
	"github.com/alecthomas/kong":                                      {"cmd/ichor", "cmd/internal/program", "cmd/demo"},
	"github.com/jotaen/kong-completion":                               {"cmd/ichor"},
	"go.yaml.in/yaml/v4":                                              {"cmd/ichor", "cmd/internal/stage"},
	"github.com/twmb/franz-go":                                        {"host/kafka/kafkatest", "examples/banking/initiator", "examples/certification", "examples/certification/transcript"},
	"github.com/fergusstrange/embedded-postgres":                      {"host/installer/pgtest"},
	"oras.land/oras-go/v2":                                            {"host/guest/oci"},
	"github.com/opencontainers/go-digest":                             {"host/guest/oci"},
	"github.com/opencontainers/image-spec":                            {"host/guest/oci"},
	"golang.org/x/term":                                               {"cmd/ichor"},
	"github.com/go-logr/logr":                                         {"host/spans"},
	"go.opentelemetry.io/otel":                                        {"host/spans"},
	"go.opentelemetry.io/otel/sdk":                                    {"host/spans"},
	"go.opentelemetry.io/otel/trace":                                  {"host/spans"},
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace":               {"host/spans"},
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc": {"host/spans"},
	"go.opentelemetry.io/proto/otlp":                                  {"host/spans/spanstest"},
	"google.golang.org/grpc":                                          {"host/spans/spanstest"},
	"golang.org/x/sys":                                                {"cmd/chaos"},
	"github.com/prometheus/client_model":                              {},
	"github.com/prometheus/common":                                    {},
	"pgregory.net/rapid":                                              {},
	"go.uber.org/goleak":                                              {},
	"github.com/twmb/franz-go/pkg/kfake":                              {"host/kafka/kafkatest"},
	"github.com/twmb/franz-go/pkg/kmsg":                               {"host/kafka/kafkatest"},
}

// testDoors says whose tests alone may import one.
var testDoors = map[string][]string{
	"go.opentelemetry.io/proto/otlp":      {"host/spans"},
	"golang.org/x/sys":                    {"cmd/ichor"},
	"github.com/tetratelabs/wazero":       {"host/guest/fuel"},
	"github.com/jackc/pgx/v5":             {"host", "host/guest/sqlpolicy", "host/replay", "host/sim", "host/verify", "examples/banking/workload", "cmd/ichor", "cmd/traffic"},
	"go.yaml.in/yaml/v4":                  {"cmd/demo", "host/admin"},
	"github.com/prometheus/client_golang": {"host/guest/conform", "host/session", "cmd/demo"},
	"github.com/twmb/franz-go":            {"host/kafka", "host"},
	"github.com/twmb/franz-go/pkg/kfake":  {"host/kafka"},
	"github.com/twmb/franz-go/pkg/kmsg":   {"host/kafka"},
	"github.com/prometheus/client_model":  {"host", "host/admin", "host/guest", "host/kafka"},
	"github.com/prometheus/common":        {"host", "host/admin", "host/guest", "host/kafka"},
	"pgregory.net/rapid":                  {"*"},
	"go.uber.org/goleak":                  {"*"},
}

// neverShipped must not be reachable from the host's binary.
var neverShipped = []string{
	"github.com/twmb/franz-go", "github.com/fergusstrange/embedded-postgres", "testing",
	module + "host/kafka/kafkatest", module + "host/spans/spanstest", module + "host/installer/pgtest", module + "host/guest/guesttest",
	module + "host/talos/talostest", module + "guests/go", module + "examples",
}

// standardOnly are the packages that import nothing from outside, and pure those among them
// that decide: the same events give the same answers, so they have no clock, no goroutine and
// no way out.
var (
	standardOnly = []string{"abi", "guests/go", "host/guest/fuel", "host/guest/wasm", "host/installer/querytree", "host/cohort", "host/ring", "host/talos", "host/timing", "host/suffix", "host/queue", "host/replicator", "host/verify/books"}
	pure         = []string{"host/guest/fuel", "host/guest/wasm", "host/installer/querytree", "host/cohort", "host/ring", "host/talos", "host/suffix", "host/queue", "host/replicator", "host/rollout/shadow", "host/verify/books"}
	impure       = []string{"context", "io", "log", "log/slog", "math/rand", "net", "os", "runtime", "sync", "sync/atomic", "syscall", "time"}
)

// goroutines is how many are started where in the host; DESIGN.md says what each does.
var goroutines = map[string]int{
	"cmd/ichor":      1, // writes the log
	"host":           4, // takes samples; sends spans; beats; brings the files of guests
	"host/session":   9, // follow, lane, convert, besides, watch, shadow, requests; the tail of a host that stands by; memory that is given back
	"host/admin":     1, // the listener
	"host/installer": 2, // reads a lane's answers; looks who holds a lock, while a lane waits for it
	"host/guest":     4, // brings the SQL parser up, once; starts a child by a thread of its own; ends a child with its parent, and when its time is up
}

const (
	longestFile     = 600
	longestFunction = 70
)

// longer are the functions that may be longer, with the reason.
var longer = map[string]string{}

// top is everything that may stand at the top of the repository and does not begin with a dot.
var top = []string{
	"CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile", "LICENSE", "Makefile", "README.md", "SECURITY.md", "go.mod", "go.sum",
	"abi", "cmd", "examples", "guests", "host",
	"ichor", // the binary that make builds
}

// source is one parsed file.
type source struct {
	name      string // from the root
	directory string
	test      bool
	lines     int
	set       *token.FileSet
	tree      *ast.File
}

// imports returns the paths that the file imports.
func (s *source) imports() []string {
	var paths []string
	for _, spec := range s.tree.Imports {
		paths = append(paths, strings.Trim(spec.Path.Value, "`\""))
	}
	return paths
}

// walk visits every file of the repository whose name ends so, but for testdata and what is hidden.
func walk(t *testing.T, suffix string, visit func(file string) error) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".") && file != root):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(file, suffix):
			return nil
		}
		return visit(file)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sources parses every Go file of the module, whatever system it is for.
func sources(t *testing.T) []*source {
	t.Helper()
	var all []*source
	walk(t, ".go", func(file string) error {
		s, err := parse(file)
		all = append(all, s)
		return err
	})
	return all
}

func parse(file string) (*source, error) {
	name, err := filepath.Rel(root, file)
	if err != nil {
		return nil, err
	}
	name = filepath.ToSlash(name)
	s := &source{name: name, directory: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), set: token.NewFileSet()}
	s.tree, err = parser.ParseFile(s.set, file, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err == nil {
		s.lines = s.set.File(s.tree.FileStart).LineCount()
	}
	return s, err
}

func TestImportsPointOneWay(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range sources(t) {
		allowed, known := imports[s.directory]
		if !known && !seen[s.directory] {
			t.Errorf("package %s is not in the table of imports", s.directory)
		}
		seen[s.directory] = true
		if s.test {
			allowed = slices.Concat(allowed, testImports[s.directory], testers, []string{s.directory})
		}
		for _, p := range s.imports() {
			ours, ok := strings.CutPrefix(p, module)
			if ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, which the table does not allow", s.name, ours)
			}
		}
	}
	for directory := range imports {
		if !seen[directory] {
			t.Errorf("the table of imports has %s, which does not exist", directory)
		}
	}
}

func TestEachDependencyHasOneDoor(t *testing.T) {
	for _, s := range sources(t) {
		for _, p := range s.imports() {
			first, _, _ := strings.Cut(p, "/")
			if !strings.Contains(first, ".") || strings.HasPrefix(p, module) {
				continue
			}
			dependency := within(p, slices.Collect(maps.Keys(doors)))
			open := slices.Contains(doors[dependency], s.directory)
			if s.test {
				extra := testDoors[dependency]
				open = open || slices.Contains(extra, s.directory) || slices.Contains(extra, "*")
			}
			switch {
			case dependency == "":
				t.Errorf("%s imports %s, which has no door", s.name, p)
			case !open:
				t.Errorf("%s imports %s, whose doors are %v", s.name, p, doors[dependency])
			}
		}
	}
}

// within returns the longest of the paths that p lies in, or "".
func within(p string, paths []string) string {
	longest := ""
	for _, q := range paths {
		if (p == q || strings.HasPrefix(p, q+"/")) && len(q) > len(longest) {
			longest = q
		}
	}
	return longest
}

// shipped returns the directories of our packages that the host's binary is made of, each with one
// that imports it.
func shipped(all []*source) map[string]string {
	reached := map[string]string{"cmd/ichor": "the command"}
	for grown := true; grown; {
		grown = false
		for _, s := range all {
			if s.test || reached[s.directory] == "" {
				continue
			}
			for _, p := range s.imports() {
				if ours, ok := strings.CutPrefix(p, module); ok && reached[ours] == "" {
					reached[ours], grown = s.directory, true
				}
			}
		}
	}
	return reached
}

func TestBinaryCarriesNoBrokerAndNoDatabase(t *testing.T) {
	all := sources(t)
	reached := shipped(all)
	if len(reached) < 10 {
		t.Fatalf("the binary is made of %v only: this test does not see what it should", reached)
	}
	for _, s := range all {
		if s.test || reached[s.directory] == "" {
			continue
		}
		for _, p := range s.imports() {
			if found := within(p, neverShipped); found != "" {
				t.Errorf("%s, which %s imports, imports %s: the host's binary must not have it", s.name, reached[s.directory], p)
			}
		}
	}
}

func TestCoreIsPure(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, p := range s.imports() {
			first, _, _ := strings.Cut(p, "/")
			if strings.Contains(first, ".") && !strings.HasPrefix(p, module) && slices.Contains(standardOnly, s.directory) {
				t.Errorf("%s imports %s: only the standard library is allowed here", s.name, p)
			}
			if slices.Contains(impure, p) && slices.Contains(pure, s.directory) {
				t.Errorf("%s imports %s: the same events must give the same answers", s.name, p)
			}
		}
		if slices.Contains(pure, s.directory) {
			randomIsSeeded(t, s)
		}
	}
}

// randomIsSeeded checks that a pure package draws from a source that it was given a seed for.
func randomIsSeeded(t *testing.T, s *source) {
	t.Helper()
	ast.Inspect(s.tree, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if of, ok := selector.X.(*ast.Ident); ok && of.Name == "rand" && !slices.Contains([]string{"New", "NewPCG", "Rand", "PCG"}, selector.Sel.Name) {
			t.Errorf("%s uses rand.%s, which has no seed", s.name, selector.Sel.Name)
		}
		return true
	})
}

func TestGoroutinesAreListed(t *testing.T) {
	all := sources(t)
	reached := shipped(all)
	started := map[string]int{}
	for _, s := range all {
		if s.test || reached[s.directory] == "" {
			continue
		}
		ast.Inspect(s.tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				started[s.directory]++
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Go" {
					started[s.directory]++
				}
			}
			return true
		})
	}
	if !maps.Equal(started, goroutines) {
		t.Errorf("goroutines are started at %v, the table says %v: bring it and DESIGN.md up to date", started, goroutines)
	}
}

func TestNothingHappensAtImport(t *testing.T) {
	all := sources(t)
	reached := shipped(all)
	for _, s := range all {
		for _, d := range s.tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && f.Recv == nil && f.Name.Name == "init" && !s.test && reached[s.directory] != "" {
				t.Errorf("%s has an init function: construct it where it is needed", s.name)
			}
		}
	}
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if s.lines > longestFile {
			t.Errorf("%s has %d lines, more than %d: one noun, one file", s.name, s.lines, longestFile)
		}
		if s.test {
			continue
		}
		for _, d := range s.tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1
			if name := s.directory + "." + f.Name.Name; lines > longestFunction && longer[name] == "" {
				t.Errorf("%s: %s has %d lines, more than %d", s.name, name, lines, longestFunction)
			}
		}
	}
}

func TestTopOfTheRepository(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(top, e.Name()) {
			t.Errorf("%s stands at the top of the repository: it belongs into one of %v", e.Name(), top)
		}
	}
}
