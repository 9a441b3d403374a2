package layout

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"testing"
)

// acyclic are the packages none of whose files need one another in a circle: each file can be read
// after those that it builds on.
var acyclic = []string{"host", "host/replicator"}

// arrows says for each file or package which others it needs.
type arrows map[string]map[string]bool

// nothing imports nothing: what a package's files need of one another shows without the rest.
type nothing struct{}

func (nothing) Import(string) (*types.Package, error) { return nil, errors.New("not looked at") }

// fileArrows says for each file of a package, without tests, in which of its files the names stand
// that it uses.
func fileArrows(t *testing.T, directory string) arrows {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, directory, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	set, found := token.NewFileSet(), arrows{}
	var trees []*ast.File
	for _, name := range names {
		if ok, _ := filepath.Match("*_test.go", filepath.Base(name)); ok {
			continue
		}
		tree, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, tree)
		found[filepath.Base(name)] = map[string]bool{}
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	check := types.Config{Importer: nothing{}, Error: func(error) {}} // of names from elsewhere nothing is known
	pkg, _ := check.Check(directory, set, trees, info)
	for ident, object := range info.Uses {
		if object.Pkg() != pkg || !object.Pos().IsValid() {
			continue
		}
		from, to := filepath.Base(set.Position(ident.Pos()).Filename), filepath.Base(set.Position(object.Pos()).Filename)
		if from != to {
			found[from][to] = true
		}
	}
	return found
}

// circles returns the groups of more than one that need one another, the largest first.
func (a arrows) circles() [][]string {
	reach := arrows{}
	for from := range a {
		reach[from] = map[string]bool{}
		todo := []string{from}
		for len(todo) > 0 {
			next := todo[0]
			todo = todo[1:]
			for to := range a[next] {
				if !reach[from][to] {
					reach[from][to] = true
					todo = append(todo, to)
				}
			}
		}
	}
	var all [][]string
	seen := map[string]bool{}
	for _, from := range slices.Sorted(maps.Keys(a)) {
		if seen[from] || !reach[from][from] {
			continue
		}
		var circle []string
		for _, to := range slices.Sorted(maps.Keys(reach[from])) {
			if reach[to][from] {
				circle = append(circle, to)
				seen[to] = true
			}
		}
		all = append(all, circle)
	}
	slices.SortStableFunc(all, func(x, y []string) int { return len(y) - len(x) })
	return all
}

// pairs counts those that need each other directly.
func (a arrows) pairs() (n int) {
	for from, tos := range a {
		for to := range tos {
			if from < to && a[to][from] {
				n++
			}
		}
	}
	return n
}

func (a arrows) count() (n int) {
	for _, tos := range a {
		n += len(tos)
	}
	return n
}

func TestFilesStandInLayers(t *testing.T) {
	for _, directory := range acyclic {
		found := fileArrows(t, directory)
		if found.count() < len(found) {
			t.Fatalf("%s has %d files and %d arrows between them: this test does not see what it should", directory, len(found), found.count())
		}
		for _, circle := range found.circles() {
			t.Errorf("%s: files that need one another: %v", directory, circle)
			for _, from := range circle {
				for _, to := range circle {
					if found[from][to] {
						t.Logf("  %s needs %s", from, to)
					}
				}
			}
		}
	}
}

// TestFigures prints how the house stands: go test ./host/layout -run Figures -v.
func TestFigures(t *testing.T) {
	lines, files := map[string]int{}, map[string]int{}
	for _, s := range sources(t) {
		if !s.test {
			lines[s.directory] += s.lines
			files[s.directory]++
		}
	}
	t.Logf("%-34s %6s %6s %7s %6s %s", "directory", "files", "lines", "arrows", "pairs", "largest circle of files")
	for _, directory := range slices.Sorted(maps.Keys(lines)) {
		found := fileArrows(t, directory)
		largest := 0
		if circles := found.circles(); len(circles) > 0 {
			largest = len(circles[0])
		}
		t.Logf("%-34s %6d %6d %7d %6d %d", path.Clean(directory), files[directory], lines[directory], found.count(), found.pairs(), largest)
	}
}
