package replicator

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the expected output of testdata/*.txt")

// TestScripts plays testdata/*.txt through the core. A script is blocks: lines of commands
// (see play_test.go), a line of four dashes, what the core asked for, and an empty line.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts found: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := playScript(t, string(source))
	if got == string(source) {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s: the output differs (run with -update and review the diff):\n%s", file, diff(string(source), got))
}

// playScript returns the script with the output that its commands really give.
func playScript(t *testing.T, source string) string { return playWith(newPlayer(t), source) }

func playWith(p *player, source string) string {
	var out strings.Builder
	inOutput := false
	for line := range strings.Lines(source) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case inOutput:
			if line == "" {
				inOutput = false
				out.WriteString("\n")
			}
		case line == "----":
			out.WriteString("----\n" + p.flush())
			inOutput = true
		default:
			out.WriteString(line + "\n")
			if command, _, _ := strings.Cut(line, "#"); strings.TrimSpace(command) != "" {
				p.command(strings.Fields(command))
			}
		}
	}
	return out.String()
}

// A trace of what a script does is a script that does the same.
func TestATraceIsAScript(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts found: %v", err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range strings.Split(string(source), "\ncore") {
			if i > 0 {
				block = "core" + block
			}
			p := newPlayer(t)
			playWith(p, block)
			if trace := p.traced.String(); trace != "" {
				if got := playScript(t, trace); got != trace {
					t.Errorf("%s, core %d: the trace does something else:\n%s", file, i, diff(trace, got))
				}
			}
		}
	}
}

func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out strings.Builder
	for i := range max(len(w), len(g)) {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			fmt.Fprintf(&out, "line %d:\n  - %s\n  + %s\n", i+1, a, b)
			if out.Len() > 2000 {
				break
			}
		}
	}
	return out.String()
}

// A rule of the core that is broken is a Stop alone; any other panic is not taken for one.
func TestOnlyAssertionsStopTheCore(t *testing.T) {
	c := New(Options{}, Start{Resume: 1, Guests: [][]Cut{{{}}}})
	c.Step(second, &Tick{})
	defer func() {
		if recover() == nil {
			t.Error("an index out of range was swallowed")
		}
		actions := c.Step(second, &Installed{Lane: 0})
		if stop, ok := actions[0].(*Stop); len(actions) != 1 || !ok || stop.Reason != StopBrokenPromise || stop.Failure.Kind != KindAssertion {
			t.Errorf("an answer that was not asked for: %v", actions)
		}
	}()
	c.Step(second, &LaneUp{Lane: 99})
}

// Rows of the quarantine are written in transactions that end within their deadline.
func TestQuarantineIsWrittenInParts(t *testing.T) {
	p := newPlayer(t)
	p.mute = true
	p.command([]string{"core", "convertmax=1000"})
	rejected := []string{"converted"}
	for i := range 1000 {
		v := fmt.Sprint(i + 1)
		p.command([]string{"candidate", v, "w:" + v})
		rejected = append(rejected, v+"=reject")
	}
	for i := range 1000 {
		p.command([]string{"decision", fmt.Sprint(i + 1), "committed", "safepoint=0"})
	}
	p.command([]string{"read"})
	p.command(rejected)
	written := 0
	for len(p.busy[0]) > 0 {
		q, ok := p.busy[0][0].(*Quarantine)
		if !ok || len(q.Rows) > quarantineMax {
			t.Fatalf("%T after %d rows", p.busy[0][0], written)
		}
		written += len(q.Rows)
		p.command([]string{"installed", "0"})
	}
	if written != 1000 {
		t.Errorf("%d rows were written, want 1000", written)
	}
}
