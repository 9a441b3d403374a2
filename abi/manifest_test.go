package abi

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

const goodManifest = `{"name":"n","version":"1","input":"tokens","unknown_action":"reject",
"actions":[{"name":"A","templates":[1]}],
"templates":[{"id":1,"name":"t","sql":"update r set a = $1","params":["text"],"writes":["r"],"guard":"version","rows":"any"},
{"id":2,"name":"u","sql":"delete from r where a = 1","params":[],"writes":["r"],"rows":1}],
"limits":{"records":100,"statements":3},
"vectors":[{"name":"v","input":[{"version":2,"safepoint":1,"time":3,"xid":"x","cohort":"c","agent":"a","statemap":[{"A":{"a":null}}]}],
"expect":[{"status":"ok","statements":[{"template":1,"args":["x",null]}]}]}]}`

func TestManifestIsRead(t *testing.T) {
	m, err := DecodeManifest([]byte(goodManifest))
	if err != nil {
		t.Fatal(err)
	}
	if m.Templates[0].Rows != AnyRows || m.Templates[1].Rows != 1 || m.Template(2).Name != "u" || m.Template(3) != nil {
		t.Errorf("templates are %+v", m.Templates)
	}
	if args := m.Vectors[0].Expect[0].Statements[0].Args; *args[0] != "x" || args[1] != nil {
		t.Errorf("vector arguments are %v", args)
	}
	again, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeManifest(again); err != nil {
		t.Errorf("written and read again: %v", err)
	}
}

// An action is named as the topic names it: no text is refused but for its length.
func TestManifestNamesAnyAction(t *testing.T) {
	for _, name := range []string{``, ` `, `a\tb`, `\u0000`, `é`, strings.Repeat("x", MaxName)} {
		m, err := DecodeManifest([]byte(strings.Replace(goodManifest, `{"name":"A"`, `{"name":"`+name+`"`, 1)))
		if err != nil || len(m.Actions) != 1 {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestManifestRefuses(t *testing.T) {
	tests := []struct{ old, new, says string }{
		{`"name":"n",`, ``, "manifest: name: is missing"},
		{`"name":"n"`, `"name":"n\u0007"`, "name: has a control character"},
		{`"name":"n"`, `"name":"` + strings.Repeat("n", 129) + `"`, "name: is longer than 128 bytes"},
		{`"version":"1"`, `"version":1`, "version"},
		{`"input":"tokens"`, `"input":"xml"`, `input: is "xml"`},
		{`"reject"`, `"panic"`, `unknown_action: is "panic"`},
		{`"guard"`, `"gaurd"`, `manifest: line 3: templates[0].gaurd: unknown field "gaurd": did you mean "guard"?`},
		{`"sql":"delete`, `"SQL":"delete`, `line 4: templates[1].SQL: unknown field "SQL": did you mean "sql"?`},
		{`"records":100`, `"recrods":100`, `line 5: limits.recrods: unknown field "recrods": did you mean "records"?`},
		{`"xid":"x"`, `"xidd":"x"`, `line 6: vectors[0].input[0].xidd: unknown field "xidd": did you mean "xid"?`},
		{`"status":"ok"`, `"result":"ok"`, `line 7: vectors[0].expect[0].result: unknown field "result": there are status, code, message, statements`},
		{`"writes":["r"],"rows"`, `"writes":"r","rows"`, `line 4: templates.writes: json: cannot unmarshal string`},
		{`"rows":1`, `"set":{}`, `unknown field "set": there are id, name, sql, params, writes, guard, rows`},
		{`"rows":1`, `"rows":0`, `rows is 0, want "any" or a number from 1`},
		{`"rows":1`, `"rows":1.5`, `rows is 1.5`},
		{`"name":"n"`, `"name":"n","name":"m"`, `field "name" stands twice`},
		{`"id":2`, `"id":1`, "templates[1].id: 1 stands twice"},
		{`"id":2`, `"id":0`, "templates[1].id: is 0, want 1 to 1024"},
		{`"id":2`, `"id":1025`, "templates[1].id: is 1025"},
		{`"name":"u"`, `"name":"t"`, `templates[1].name: "t" stands twice`},
		{`delete from r where a = 1`, ` `, "templates[1].sql: is missing"},
		{`delete from r where a = 1`, `a\u0000`, "templates[1].sql: has a NUL"},
		{`delete from r where a = 1`, strings.Repeat("x", MaxSQL+1), "templates[1].sql: is longer"},
		{`"params":["text"]`, `"params":["money"]`, `templates[0].params[0]: "money" is not one of`},
		{`"params":[],"writes":["r"]`, `"params":[],"writes":[]`, "templates[1].writes: is empty"},
		{`"templates":[1]`, `"templates":[7]`, "actions[0].templates[0]: no template has the id 7"},
		{`[{"name":"A","templates":[1]}]`, `[]`, "actions: is empty"},
		{`[{"name":"A","templates":[1]}]`, `[{"name":"A","templates":[]},{"name":"A","templates":[]}]`, `actions[1].name: "A" stands twice`},
		{`"name":"A"`, `"name":"` + strings.Repeat("x", MaxName+1) + `"`, "actions[0].name: is longer than 128 bytes"},
		{`"records":100`, `"records":-1`, "limits.records: is -1"},
		{`"statements":3}`, `"statements":70000}`, "limits.statements: is 70000"},
		{`"expect":[{`, `"expect":[{"status":"ok"},{`, "vectors[0].expect: 2 answers for 1 inputs"},
		{`[{"A":{"a":null}}]`, `[{"A":1,"B":2}]`, "vectors[0].input[0].statemap[0]: 2 actions, want one"},
		{`"limits"`, `"limits":null}{"x"`, "more than one value"},
		{`"name":"n"`, `"name":"n","x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200), "nested too deeply"},
		{`"name":"n"`, "\"name\":\"\xff\"", "invalid UTF-8"},
		{`"name":"n"`, `"name":"` + strings.Repeat("n", MaxManifest) + `"`, "at most 1048576 are allowed"},
		{goodManifest, ``, "unexpected end"},
		{goodManifest, `[]`, "cannot unmarshal array"},
		{goodManifest, `null`, "name: is missing"},
	}
	for _, test := range tests {
		text := strings.Replace(goodManifest, test.old, test.new, 1)
		if text == goodManifest {
			t.Errorf("the change of %s changes nothing", test.old)
		}
		_, err := DecodeManifest([]byte(text))
		var refused *ManifestError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want %q", test.new[:min(60, len(test.new))], err, test.says)
		}
	}
}

// FuzzManifest: whatever is accepted can be written and is accepted again.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(goodManifest))
	f.Add([]byte(`{"name":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := DecodeManifest(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeManifest(again); err != nil && len(again) <= MaxManifest {
			t.Fatalf("%s was read, but not %s: %v", text, again, err)
		}
	})
}
