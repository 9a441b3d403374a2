package querytree_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/installer/querytree"
)

// TestTreesOfEachVersion reads trees that PostgreSQL 14 to 18 wrote of statements with every
// common clause.
func TestTreesOfEachVersion(t *testing.T) {
	files, err := filepath.Glob("testdata/trees-*.txt")
	if err != nil || len(files) != 5 {
		t.Fatalf("%d files of trees, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			nodes, err := querytree.Parse(strings.TrimSpace(line))
			if err != nil || len(nodes) != 1 || nodes[0].Kind != "QUERY" {
				t.Errorf("%s: %.60s: %d nodes, %v", file, line, len(nodes), err)
				continue
			}
			if list := nodes[0].Nodes("targetList"); nodes[0].Int("commandType") == 2 && len(list) == 0 {
				t.Errorf("%s: an UPDATE of no column: %.60s", file, line)
			}
		}
	}
}

func TestFields(t *testing.T) {
	nodes, err := querytree.Parse(`({QUERY :commandType 3 :rtable ({RANGETBLENTRY :relid 16386 :alias {ALIAS :aliasname a\ b :colnames ("x" "y\)")}} {RTE :values_lists (({SETTODEFAULT :typeId 20} {PARAM :paramtype 25}) ({CONST :consttype 23 :constisnull false :location 12 :constvalue 4 [ -1 2 0 0 0 0 0 0 ]}))}) :targetList ({TARGETENTRY :expr {VAR :vartype 20 :varattno -3} :resno 2 :resname :relid :resjunk false}) :utilityStmt <> :onConflict <>})`)
	if err != nil || len(nodes) != 1 {
		t.Fatalf("%d nodes, %v", len(nodes), err)
	}
	query := nodes[0]
	tables := query.Nodes("rtable")
	if len(tables) != 2 || tables[0].OID("relid") != 16386 || tables[0].Node("alias").Text("aliasname") != "a b" {
		t.Errorf("tables: %v", tables)
	}
	rows := tables[1].Lists("values_lists")
	if len(rows) != 2 || len(rows[0]) != 2 || rows[0][1].Type() != 25 {
		t.Fatalf("rows: %v", rows)
	}
	constant := rows[1][0]
	if got := constant.Bytes(); len(got) != 8 || got[0] != 255 || got[1] != 2 || constant.Location() != 12 || constant.Has("constisnull") {
		t.Errorf("constant: %v at %d", got, constant.Location())
	}
	entry := query.Nodes("targetList")[0]
	if entry.Text("resname") != ":relid" || entry.Int("resno") != 2 || entry.Has("resjunk") || entry.Type() != 20 || entry.Node("expr").Int("varattno") != -3 {
		t.Errorf("a column whose name looks like a field's: %v", entry)
	}
	if query.Has("utilityStmt") || query.Node("onConflict") != nil || query.Location() != -1 {
		t.Error("what is null is there")
	}
}

func TestWhatIsNotKnownIsRefused(t *testing.T) {
	for text, what := range map[string]string{
		"{NEWEXPR :args <>}":                    "a node NEWEXPR",
		"({QUERY :targetList ({FANCY})})":       "a node FANCY",
		"{FUNCEXPR :funcid 1 :otherfuncid 2}":   "a field otherfuncid in a node FUNCEXPR",
		"{QUERY :rowMarks ({ROWMARKCLAUSE})}":   "a node ROWMARKCLAUSE",
		"{FUNCEXPR :funcid 1 :args ({XMLEXPR})": "a node XMLEXPR",
	} {
		_, err := querytree.Parse(text)
		var unknown *querytree.UnknownError
		if !errors.As(err, &unknown) || unknown.What != what {
			t.Errorf("%s: %v, want %s", text, err, what)
		}
	}
}

func TestWhatIsNoTree(t *testing.T) {
	for _, text := range []string{"", "(", "{", "{QUERY", "{QUERY :targetList", "{QUERY :targetList (", "{QUERY targetList <>}", "<> <>", ")", "}", "{QUERY :targetList )}", strings.Repeat("(", 100_000)} {
		if nodes, err := querytree.Parse(text); err == nil {
			t.Errorf("%.20q: %d nodes", text, len(nodes))
		}
	}
	if nodes, err := querytree.Parse("<>"); err != nil || nodes != nil {
		t.Errorf("an empty tree: %v, %v", nodes, err)
	}
}

// FuzzParse looks for texts that crash the reader.
func FuzzParse(f *testing.F) {
	f.Add("({QUERY :targetList ({TARGETENTRY :expr {CONST :constvalue 4 [ 1 0 0 0 ]} :resno 1}) :rtable <>})")
	f.Add(`{ALIAS :aliasname a\ b :colnames ("x" "")}`)
	f.Fuzz(func(t *testing.T, text string) {
		nodes, err := querytree.Parse(text)
		if err != nil {
			return
		}
		var walk func([]*querytree.Node)
		walk = func(nodes []*querytree.Node) {
			for _, n := range nodes {
				_, _, _, _ = n.Type(), n.Location(), n.Bytes(), n.OIDs("opnos")
				walk(n.Children())
			}
		}
		walk(nodes)
	})
}
