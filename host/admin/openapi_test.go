package admin

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/timing"
)

var update = flag.Bool("update", false, "write the schemas of openapi.yaml anew, from the types and their comments")

// schemasBegin is the line of openapi.yaml below which the schemas stand that the types give.
const schemasBegin = "    # What follows is written by go test ./host/admin -run Schemas -update.\n"

// shownTypes are the types of answers. Those that they have in them follow by themselves.
var shownTypes = []any{
	status.Readiness{}, Caller{}, status.Status{}, Samples{}, Journeys{}, status.Version{}, XID{}, Quarantine{}, HeldVersion{},
	Requests{}, installer.Request{}, Audit{}, Guests{}, timing.Details{},
}

// TestSchemasAreThoseOfTheTypes: each field of an answer stands in openapi.yaml, with its type and its comment.
func TestSchemasAreThoseOfTheTypes(t *testing.T) {
	before, _, found := bytes.Cut(openAPI, []byte(schemasBegin))
	if !found {
		t.Fatal("openapi.yaml lacks the line below which the schemas stand")
	}
	s := &schemas{t: t, comments: commentsOf(t), text: map[string]string{}}
	for _, shown := range shownTypes {
		s.add(reflect.TypeOf(shown))
	}
	want := string(before) + schemasBegin
	for _, name := range slices.Sorted(maps.Keys(s.text)) {
		want += s.text[name]
	}
	if *update {
		if err := os.WriteFile("openapi.yaml", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(openAPI) {
		t.Error("openapi.yaml is not what the types say: go test ./host/admin -run Schemas -update")
	}
}

// schemas are written as they are found.
type schemas struct {
	t        *testing.T
	comments map[string]string // by type and field
	text     map[string]string // by name
}

// add writes the schema of a struct, and returns how one refers to it.
func (s *schemas) add(of reflect.Type) string {
	name := of.Name()
	reference := fmt.Sprintf("$ref: %q", "#/components/schemas/"+name)
	if _, there := s.text[name]; there {
		return reference
	}
	s.text[name] = "" // for a type that has itself in it
	text := fmt.Sprintf("    %s:\n      type: object\n", name)
	if c := s.comments[of.PkgPath()+"."+name]; c != "" {
		text += fmt.Sprintf("      description: %s\n", quoted(c))
	}
	required, properties := s.fields(of)
	if len(required) > 0 {
		text += "      required: [" + strings.Join(required, ", ") + "]\n"
	}
	s.text[name] = text + "      properties:\n" + properties
	if of == reflect.TypeFor[timing.Journey]() {
		s.text[name] = journeySchema
	}
	return reference
}

// fields writes those of a struct, with those of the structs that are embedded in it.
func (s *schemas) fields(of reflect.Type) (required []string, properties string) {
	for i := range of.NumField() {
		f := of.Field(i)
		field, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && field == "":
			embedded := f.Type
			if embedded.Kind() == reflect.Pointer {
				embedded = embedded.Elem()
			}
			more, text := s.fields(embedded)
			required, properties = append(required, more...), properties+text
			continue
		case !f.IsExported() || field == "-":
			continue
		case field == "":
			field = f.Name
		}
		if !strings.Contains(options, "omitempty") {
			required = append(required, field)
		}
		properties += fmt.Sprintf("        %s: %s\n", field, s.property(f, s.comments[of.PkgPath()+"."+of.Name()+"."+f.Name]))
	}
	return required, properties
}

// journeySchema is of a type that writes its own JSON.
const journeySchema = `    Journey:
      type: object
      description: "The way of one version."
      required: [version, attempts, events]
      properties:
        version: {type: integer, format: int64, description: "The position of the candidate in the log."}
        attempts: {type: integer, description: "Transactions with it that the host began, those of groups included; above 1 the version was retried."}
        guest: {type: string, description: "The digest of the guest that converted it."}
        details: {allOf: [{$ref: "#/components/schemas/Details"}], description: "Of a version that a guest was given."}
        events:
          type: array
          description: "In their order."
          items: {type: object, required: [event, at_ns], properties: {event: {type: string}, at_ns: {type: integer, format: int64}}}
`

func quoted(text string) string {
	out, _ := json.Marshal(text)
	return string(bytes.ReplaceAll(bytes.ReplaceAll(out, []byte(`\u003c`), []byte("<")), []byte(`\u003e`), []byte(">")))
}

func (s *schemas) property(f reflect.StructField, comment string) string {
	kind := s.kind(f.Type)
	if comment == "" {
		s.t.Errorf("%s has no comment: who reads openapi.yaml would not know what it is", f.Name)
	}
	if strings.HasPrefix(kind, "$ref") {
		return fmt.Sprintf("{allOf: [{%s}], description: %s}", kind, quoted(comment))
	}
	return fmt.Sprintf("{%s, description: %s}", kind, quoted(comment))
}

// kind returns the JSON type of a Go type.
func (s *schemas) kind(of reflect.Type) string {
	switch of {
	case reflect.TypeFor[time.Time]():
		return "type: string, format: date-time"
	case reflect.TypeFor[json.RawMessage]():
		return "nullable: true" // any value
	}
	switch of.Kind() {
	case reflect.Pointer:
		kind := s.kind(of.Elem())
		if strings.HasPrefix(kind, "$ref") {
			return kind // it is left out where there is none
		}
		return kind + ", nullable: true"
	case reflect.Slice, reflect.Array:
		return "type: array, items: {" + s.kind(of.Elem()) + "}"
	case reflect.Struct:
		return s.add(of)
	case reflect.Map:
		return "type: object, additionalProperties: {" + s.kind(of.Elem()) + "}"
	case reflect.Bool:
		return "type: boolean"
	case reflect.String:
		if words := wordsOf(of); words != nil {
			return "type: string, enum: [" + strings.Join(words, ", ") + "]"
		}
		return "type: string"
	case reflect.Float64:
		return "type: number"
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Uint32, reflect.Int32:
		return "type: integer, format: int64"
	}
	s.t.Fatalf("there is no JSON type for %s", of)
	return ""
}

// wordsOf returns the values of a type that has few; nil for any text.
func wordsOf(of reflect.Type) (words []string) {
	switch of {
	case reflect.TypeFor[replicator.Whereabouts]():
		for _, w := range replicator.AllWhereabouts {
			words = append(words, string(w))
		}
	case reflect.TypeFor[status.Phase]():
		for _, p := range status.AllPhases {
			words = append(words, string(p))
		}
	case reflect.TypeFor[installer.GuestState]():
		for _, s := range installer.AllGuestStates {
			words = append(words, string(s))
		}
	}
	return words
}

// commentsOf reads the comments of types and fields of the packages whose types are shown.
func commentsOf(t *testing.T) map[string]string {
	comments := map[string]string{}
	for _, name := range []string{"admin", "status", "installer", "rollout", "replicator", "guest", "timing"} {
		files, err := filepath.Glob(filepath.Join("..", name, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			readComments("github.com/ichor-replicator/ichor/host/"+name, file, comments)
		}
	}
	return comments
}

func readComments(of string, file *ast.File, comments map[string]string) {
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, spec := range g.Specs {
			name := of + "." + spec.(*ast.TypeSpec).Name.Name
			comments[name] = oneLine(g.Doc)
			body, ok := spec.(*ast.TypeSpec).Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range body.Fields.List {
				comment := strings.TrimSpace(oneLine(f.Doc) + " " + oneLine(f.Comment))
				for _, field := range f.Names {
					comments[name+"."+field.Name] = comment
				}
			}
		}
	}
}

func oneLine(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }

// openParameter is one of openapi.yaml, or refers to one.
type openParameter struct {
	Name, In string
	Ref      string `yaml:"$ref"`
}

// queryNames returns the names of those that are in the query.
func queryNames(all []openParameter, named map[string]openParameter) string {
	var names []string
	for _, p := range all {
		if p.Ref != "" {
			p = named[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
		}
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	return strings.Join(names, ", ")
}

// TestEveryPathIsInTheOpenAPIFile, with the role that it needs, its parameters, and no other.
func TestEveryPathIsInTheOpenAPIFile(t *testing.T) {
	var file struct {
		Paths map[string]map[string]struct {
			Description string                `yaml:"description"`
			Security    []map[string][]string `yaml:"security"`
			Parameters  []openParameter
			Responses   map[string]any
		} `yaml:"paths"`
		Components struct{ Parameters map[string]openParameter }
	}
	if err := yaml.Unmarshal(openAPI, &file); err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for path, methods := range file.Paths {
		for method := range methods {
			described[strings.ToUpper(method)+" "+path] = true
		}
	}
	for _, r := range new(site).routes(nil) {
		at := r.method + " " + r.path
		if !described[at] {
			t.Errorf("openapi.yaml lacks %s", at)
			continue
		}
		delete(described, at)
		o := file.Paths[r.path][strings.ToLower(r.method)]
		if r.method == http.MethodPost && !strings.HasPrefix(o.Description, string(r.role)) {
			t.Errorf("%s needs the role %s, and openapi.yaml begins to describe it by %q", at, r.role, o.Description)
		}
		if takes, has := namesOf(r.takes), queryNames(o.Parameters, file.Components.Parameters); takes != has {
			t.Errorf("%s takes the parameters %q, and openapi.yaml has %q", at, takes, has)
		}
		if _, wrong := o.Responses["400"]; wrong != (r.role != open) {
			t.Errorf("%s refuses what it does not take: %t, and openapi.yaml has a 400: %t", at, r.role != open, wrong)
		}
		if isOpen := o.Security != nil && len(o.Security) == 0; isOpen != (r.role == open) {
			t.Errorf("%s needs the role %q, and openapi.yaml says that it needs none: %t", at, r.role, isOpen)
		}
		_, unauthorized := o.Responses["401"]
		if unauthorized != (r.role != open) {
			t.Errorf("%s answers 401: %t, it needs the role %q", at, unauthorized, r.role)
		}
	}
	for at := range described {
		t.Errorf("openapi.yaml has %s, which is no path", at)
	}
	references := regexp.MustCompile(`#/components/(\w+)/(\w+)`).FindAllSubmatch(openAPI, -1)
	for _, r := range references {
		if !regexp.MustCompile(`(?m)^    ` + string(r[2]) + `:`).Match(openAPI) {
			t.Errorf("openapi.yaml refers to %s, which it lacks", r[0])
		}
	}
}
