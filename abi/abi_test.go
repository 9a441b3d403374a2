package abi

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestPageAgreesWithCode reads the tables of ABI.md: every row that names a constant must
// give its value in the first column, and every exported constant of the contract must
// stand in a table.
func TestPageAgreesWithCode(t *testing.T) {
	constants := readConstants(t, "abi.go", "layout.go")
	seen := make(map[string]bool)
	text, err := os.ReadFile("ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	for number, line := range strings.Split(string(text), "\n") {
		for _, name := range regexp.MustCompile("`([A-Z][A-Za-z]+)`").FindAllStringSubmatch(line, -1) {
			value, known := constants[name[1]]
			if !known || !strings.HasPrefix(line, "|") {
				continue
			}
			seen[name[1]] = true
			if !strings.Contains(line, "`"+constantText(value)+"`") && constantText(value) != pageValue(line) {
				t.Errorf("ABI.md:%d: %s is %s in the code: %s", number+1, name[1], constantText(value), line)
			}
		}
	}
	for name := range constants {
		if !seen[name] {
			t.Errorf("%s stands in no table of ABI.md", name)
		}
	}
}

// readConstants evaluates the exported constants of the files.
func readConstants(t *testing.T, files ...string) map[string]constant.Value {
	t.Helper()
	constants := make(map[string]constant.Value)
	for _, name := range files {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Specs {
				spec := spec.(*ast.ValueSpec)
				if !spec.Names[0].IsExported() {
					continue
				}
				value, err := types.Eval(fset, nil, token.NoPos, types.ExprString(spec.Values[0]))
				if err != nil {
					t.Fatalf("%s: %v", spec.Names[0].Name, err)
				}
				constants[spec.Names[0].Name] = value.Value
			}
		}
	}
	return constants
}

func constantText(v constant.Value) string {
	if v.Kind() == constant.String {
		return constant.StringVal(v)
	}
	return v.ExactString()
}

// pageValue returns the number in the first column of a row, in decimal.
func pageValue(line string) string {
	cell := strings.TrimSpace(strings.Split(line, "|")[1])
	unit := int64(1)
	for suffix, size := range map[string]int64{" MiB": 1 << 20, " KiB": 1 << 10} {
		if strings.HasSuffix(cell, suffix) {
			cell, unit = strings.TrimSuffix(cell, suffix), size
		}
	}
	n, err := strconv.ParseInt(cell, 0, 64)
	if err != nil {
		return "no number"
	}
	return strconv.FormatInt(n*unit, 10)
}

func TestPackIsUndone(t *testing.T) {
	for _, pair := range [][2]uint32{{0, 0}, {1, 2}, {0xffffffff, 0xfffffffe}, {0x80000000, 0}} {
		if ptr, length := Unpack(Pack(pair[0], pair[1])); ptr != pair[0] || length != pair[1] {
			t.Errorf("%v came back as %d, %d", pair, ptr, length)
		}
	}
}

func TestStatusesHaveNames(t *testing.T) {
	for status, want := range map[Status]string{StatusOK: "ok", StatusSkip: "skip", StatusReject: "reject", 3: "unknown"} {
		if status.String() != want {
			t.Errorf("status %d is %q, want %q", status, status, want)
		}
	}
}

// A project of a guest gets this package's code, all of it but what no guest can use.
func TestSourceIsWhole(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		_, err := fs.Stat(Source, file)
		if own := strings.HasSuffix(file, "_test.go") || file == "source.go"; own == (err == nil) {
			t.Errorf("%s, as a part of Source: %v", file, err)
		}
	}
}
