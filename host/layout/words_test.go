package layout

import (
	"go/ast"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// term is a word that is not ours, and the one that we say instead. One thing has one word, or a
// reader looks for the difference.
type term struct {
	not string // a regular expression of whole words, or a part of a name
	say string
	in  []string // directories in which it still stands or means something else; one that has it no more leaves the list
}

// prose is what comments, messages and Markdown do not say.
var prose = []term{
	{`[Cc]an not`, "cannot", nil},
	{`[Ff]olders?`, "directory", []string{"abi", "host", "host/installer/pgtest"}},
	{`Postgres`, "PostgreSQL", []string{"abi", "host/guest/conform", "host/guest/sqlpolicy"}},
	{`(?i)dead.letters?`, "quarantine", nil},
	{`(?i)plug-?ins?`, "guest", []string{"host/guest", "host/kafka/kafkatest"}}, // other systems', Maven's
	{`(?i)user.defined functions?|UDFs?`, "guest", nil},
	{`(?i)master|slave`, "owner, standby", nil},
}

// names is what no declared name has as a part.
var names = []term{
	{"folder", "directory", nil},
	{"config", "settings, or options", []string{"cmd/ichor", "host/guest/oci", "host/installer", "host/kafka"}}, // --print-config, a manifest's, the driver's, TLS's
	{"plugin", "guest", nil},
	{"manager", "the noun of what it owns", nil},
	{"helper", "the noun of what it does", nil},
	{"util", "the noun that owns it", nil},
	{"utils", "the noun that owns it", nil},
	{"impl", "the noun itself", nil},
	{"figures", "metrics", []string{"host/layout"}}, // what a test prints of the house
	{"errand", "refetch or publish", nil},
	{"errands", "refetch and publish", nil},
	{"employ", "assign", nil},
	{"insist", "retry", nil},
	{"opinion", "cross check", nil},
}

// files are names that say nothing about what is in a file.
var files = []string{"base", "common", "constants", "data", "helpers", "info", "interfaces", "misc", "types", "util", "utils"}

// named are files that have one of these names, with the reason.
var named = map[string]string{
	"host/installer/querytree/types.go": "the types of the database",
}

// text is a piece of prose, or a declared name, and where it stands.
type text struct {
	file string // from the root
	line int
	says string
}

func TestProseSaysOurWords(t *testing.T) {
	var all []text
	for _, s := range sources(t) {
		all = append(all, s.prose()...)
	}
	all = append(all, pages(t)...)
	forbid(t, prose, all, func(of term) func(string) bool {
		return regexp.MustCompile(`\b(?:` + of.not + `)\b`).MatchString
	})
}

func TestNamesAreOurWords(t *testing.T) {
	var all []text
	for _, s := range sources(t) {
		all = append(all, s.declared()...)
	}
	forbid(t, names, all, func(of term) func(string) bool {
		return func(name string) bool { return slices.Contains(parts(name), of.not) }
	})
}

func TestFilesAreNamedByANoun(t *testing.T) {
	for _, s := range sources(t) {
		noun := strings.TrimSuffix(strings.TrimSuffix(path.Base(s.name), ".go"), "_test")
		if slices.Contains(files, noun) && named[s.name] == "" {
			t.Errorf("%s: the name says nothing about what is in it", s.name)
		}
	}
}

// forbid reports each text that has a term outside of the term's directories, and each directory
// that a term is allowed in for no reason.
func forbid(t *testing.T, terms []term, all []text, matcher func(term) func(string) bool) {
	t.Helper()
	for _, of := range terms {
		matches, used := matcher(of), map[string]bool{}
		for _, x := range all {
			if strings.HasPrefix(x.file, "host/layout/words_test.go") || !matches(x.says) {
				continue
			}
			if in := path.Dir(x.file); slices.Contains(of.in, in) {
				used[in] = true
				continue
			}
			t.Errorf("%s:%d says %s, we say %s: %q", x.file, x.line, of.not, of.say, x.says)
		}
		for _, in := range of.in {
			if !used[in] {
				t.Errorf("%s no longer says %s: take it off the list", in, of.not)
			}
		}
	}
}

// prose returns the comments of the file, and its string literals unless it is a test's: a test
// quotes what others say.
func (s *source) prose() []text {
	var all []text
	for _, group := range s.tree.Comments {
		all = append(all, s.text(group.Pos(), group.Text()))
	}
	if s.test {
		return all
	}
	ast.Inspect(s.tree, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			all = append(all, s.text(literal.Pos(), literal.Value))
		}
		return true
	})
	return all
}

// declared returns the names that the file declares. What it only uses has another's name.
func (s *source) declared() []text {
	var all []text
	add := func(idents ...*ast.Ident) {
		for _, i := range idents {
			all = append(all, s.text(i.Pos(), i.Name))
		}
	}
	add(s.tree.Name)
	ast.Inspect(s.tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			add(n.Name)
		case *ast.TypeSpec:
			add(n.Name)
		case *ast.ValueSpec:
			add(n.Names...)
		case *ast.StructType:
			for _, field := range n.Fields.List {
				add(field.Names...)
			}
		}
		return true
	})
	return all
}

func (s *source) text(at token.Pos, says string) text {
	return text{s.name, s.set.Position(at).Line, strings.Join(strings.Fields(says), " ")}
}

// pages returns the paragraphs of every Markdown file.
func pages(t *testing.T) []text {
	t.Helper()
	var all []text
	walk(t, ".md", func(file string) error {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		line := 1
		for paragraph := range strings.SplitSeq(string(content), "\n\n") {
			all = append(all, text{filepath.ToSlash(name), line, strings.Join(strings.Fields(paragraph), " ")})
			line += strings.Count(paragraph, "\n") + 2
		}
		return err
	})
	return all
}

// parts splits a name where its words begin, in lower case: httpHosts and HTTPHosts both have
// http and hosts.
func parts(name string) []string {
	var all []string
	var part []rune
	letters := []rune(name)
	for i, r := range letters {
		begins := unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1]))
		if (begins || r == '_') && len(part) > 0 {
			all, part = append(all, string(part)), nil
		}
		if r != '_' {
			part = append(part, unicode.ToLower(r))
		}
	}
	return append(all, string(part))
}

func TestNamesAreSplitWhereTheirWordsBegin(t *testing.T) {
	for name, want := range map[string]string{"HTTPHosts": "http hosts", "readAll": "read all", "a_b": "a b", "x": "x", "ID": "id"} {
		if got := strings.Join(parts(name), " "); got != want {
			t.Errorf("%s has the parts %q, want %q", name, got, want)
		}
	}
}
