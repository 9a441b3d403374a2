package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/sim"
)

// mutantsFile is the table that is kept in the repository.
const mutantsFile = "host/sim/MUTANTS.md"

// hunt is what the program with a mutant in it says: the first seed that kills it, and whether exploring
// does.
type hunt struct {
	Seed      uint64 `json:"seed"` // 0 for none
	Violation string `json:"violation"`
	Explored  string `json:"explored"` // the scenario whose exploration kills it, "" for none
}

// huntTime bounds the hunt for one mutant: a mutant may hang.
const huntTime = 4 * time.Minute

// hunting plays seeds until one fails, explores, and prints what was found.
func (o *options) hunting(out io.Writer) (bool, error) {
	var h hunt
	for seed := o.First; seed < o.First+uint64(o.Seeds) && h.Seed == 0; seed++ {
		if r := (sim.Play{Seed: seed}).Run(); r.Violation != "" {
			h.Seed, h.Violation = seed, r.Violation
		}
	}
	for _, e := range sim.ExploreShort() {
		if e.Violation != "" {
			h.Explored = e.Scenario
			break
		}
	}
	return true, json.NewEncoder(out).Encode(h)
}

// mutants builds the program with each mutant in it and has it hunted. It fails when one survives.
func (o *options) mutants(ctx context.Context, out io.Writer) (ok bool, err error) {
	root, err := repository()
	if err != nil {
		return false, err
	}
	work, err := os.MkdirTemp("", "ichor-mutants-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(work)
	var (
		hunts  = make([]hunt, len(sim.Mutants))
		errs   = make([]error, len(sim.Mutants))
		places = make(chan struct{}, o.Processors)
		group  sync.WaitGroup
	)
	for i := range sim.Mutants {
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			hunts[i], errs[i] = o.huntFor(ctx, root, filepath.Join(work, strconv.Itoa(i)), &sim.Mutants[i])
		})
	}
	group.Wait()
	ok = true
	for i := range hunts {
		if errs[i] != nil {
			return false, fmt.Errorf("mutant %q: %w", sim.Mutants[i].Name, errs[i])
		}
		if hunts[i].Seed == 0 {
			ok = false
			fmt.Fprintf(out, "ALIVE after %d seeds: %s\n", o.Seeds, sim.Mutants[i].Name)
		}
	}
	table := mutantsTable(hunts, o.Seeds)
	fmt.Fprint(out, table)
	if ok {
		err = os.WriteFile(filepath.Join(root, mutantsFile), []byte(table), 0o644)
	}
	return ok, err
}

// huntFor builds the program with a mutant in it, and runs it.
func (o *options) huntFor(ctx context.Context, root, directory string, m *sim.Mutant) (h hunt, err error) {
	if err := os.Mkdir(directory, 0o755); err != nil {
		return h, err
	}
	original := filepath.Join(root, m.File)
	source, err := os.ReadFile(original)
	if err != nil {
		return h, err
	}
	if n := bytes.Count(source, []byte(m.Old)); n != 1 {
		return h, fmt.Errorf("%s has its text %d times", m.File, n)
	}
	mutated, overlay, binary := filepath.Join(directory, "mutated.go"), filepath.Join(directory, "overlay.json"), filepath.Join(directory, "sim")
	replaced, err := json.Marshal(map[string]map[string]string{"Replace": {original: mutated}})
	if err == nil {
		err = os.WriteFile(mutated, bytes.Replace(source, []byte(m.Old), []byte(m.New), 1), 0o644)
	}
	if err == nil {
		err = os.WriteFile(overlay, replaced, 0o644)
	}
	if err != nil {
		return h, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-o", binary, "./cmd/sim")
	build.Dir = root
	if said, err := build.CombinedOutput(); err != nil {
		return h, fmt.Errorf("build: %w\n%s", err, said)
	}
	ctx, cancel := context.WithTimeout(ctx, huntTime)
	defer cancel()
	said, err := exec.CommandContext(ctx, binary, "--hunt", "--seeds", strconv.Itoa(o.Seeds)).Output()
	if err != nil {
		return h, fmt.Errorf("hunt: %w\n%s", err, said)
	}
	return h, json.Unmarshal(said, &h)
}

// repository returns the root of the repository that the program is started in.
func repository() (string, error) {
	directory, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(directory, mutantsFile)); err == nil {
			return directory, nil
		}
		parent := filepath.Dir(directory)
		if parent == directory {
			return "", fmt.Errorf("there is no %s here or above: start it in the repository", mutantsFile)
		}
		directory = parent
	}
}

// mutantsTable writes the table.
func mutantsTable(hunts []hunt, seeds int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Mutants of the protocol

Bugs of one line each, built into the core or into the model of the database and of a lane (`+"`mutants.go`"+` has their
text), and the first of %d seeds that shows each: `+"`make mutants`"+` writes this table. The last column says whether the
short exploration, which needs no seed, shows it too, and in which scenario.

| mutant | what it breaks | file | first seed | what is violated | explored |
|---|---|---|---|---|---|
`, seeds)
	explored := 0
	for i, h := range hunts {
		m := &sim.Mutants[i]
		rule, _, _ := strings.Cut(h.Violation, ":")
		seed := strconv.FormatUint(h.Seed, 10)
		if h.Seed == 0 {
			seed, rule = "**alive**", ""
		}
		where := "no"
		if h.Explored != "" {
			explored++
			where = "yes: " + h.Explored
		}
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %s | %s |\n", m.Name, m.Breaks, strings.TrimPrefix(m.File, "host/"), seed, ruleName(rule), where)
	}
	fmt.Fprintf(&b, "\n%d mutants, %d of them shown by exploring.\n", len(hunts), explored)
	return b.String()
}

// ruleName is what stands for a violation: the invariant, or that a core or a host stopped.
func ruleName(rule string) string {
	switch {
	case len(rule) > 0 && len(rule) <= 3:
		return rule
	case strings.HasPrefix(rule, "host "):
		return "a host stops"
	}
	return rule
}
