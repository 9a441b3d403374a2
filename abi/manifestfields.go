package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// fields compares the fields of a manifest's text with those that there are: exactly, where
// encoding/json would take any letters' case for them.
type fields struct {
	text []byte
	tape tape
}

// checkFields refuses what encoding/json lets pass: invalid UTF-8, deep nesting, an object with
// the same key twice; and a field that there is not, with its line and the nearest that there
// is. A guest that asks for what this host does not know must not run as if it had got it.
func checkFields(text []byte) error {
	f := fields{text: text, tape: tape{blob: append([]byte(nil), text...)}}
	if err := f.tape.read(text, 0); err != nil {
		return &ManifestError{Where: lineOf(text, f.tape.at), Err: err}
	}
	if err := f.twice(); err != nil {
		return err
	}
	return f.check(0, reflect.TypeFor[Manifest](), "")
}

// lineOf says where a byte of a text is.
func lineOf(text []byte, at int) string {
	return fmt.Sprintf("line %d", bytes.Count(text[:min(at, len(text))], []byte{'\n'})+1)
}

func (f *fields) key(t *Token) string { return string(f.tape.blob[t.Key.Offset:t.Key.end()]) }

// line says where a member stands: where its key does, or its object if the key has escapes.
func (f *fields) line(member, object *Token) string {
	if member.Flags&TokFlagKeyUnescaped != 0 {
		return lineOf(f.text, int(object.Value.Offset))
	}
	return lineOf(f.text, int(member.Key.Offset))
}

// members calls visit with the index of each element or member of a container.
func (f *fields) members(container uint32, visit func(uint32) error) error {
	for child := container + 1; child < f.tape.tokens[container].Next; child = f.tape.tokens[child].Next {
		if err := visit(child); err != nil {
			return err
		}
	}
	return nil
}

// twice refuses a field that stands twice in any object, statemaps too.
func (f *fields) twice() error {
	for i := range f.tape.tokens {
		object := &f.tape.tokens[i]
		if object.Type != TokenObject {
			continue
		}
		seen := make(map[string]bool)
		err := f.members(uint32(i), func(child uint32) error {
			member := &f.tape.tokens[child]
			if key := f.key(member); seen[key] {
				return &ManifestError{Where: f.line(member, object), Why: fmt.Sprintf("field %q stands twice", key)}
			}
			seen[f.key(member)] = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// check compares a token with the type that it will be decoded into. One of another kind is
// left to the decoder, which says so.
func (f *fields) check(at uint32, t reflect.Type, path string) error {
	token := &f.tape.tokens[at]
	switch {
	case token.Type == TokenArray && t.Kind() == reflect.Slice:
		i := -1
		return f.members(at, func(child uint32) error {
			i++
			return f.check(child, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		})
	case token.Type == TokenObject && t.Kind() == reflect.Struct:
		known := make(map[string]reflect.Type)
		var names []string
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			known[name] = t.Field(i).Type
			names = append(names, name)
		}
		if path != "" {
			path += "."
		}
		return f.members(at, func(child uint32) error {
			member := &f.tape.tokens[child]
			name := f.key(member)
			if field, found := known[name]; found {
				return f.check(child, field, path+name)
			}
			hint := "there are " + strings.Join(names, ", ")
			if best := Nearest(name, names); best != "" {
				hint = fmt.Sprintf("did you mean %q?", best)
			}
			return &ManifestError{Where: fmt.Sprintf("%s: %s%s", f.line(member, token), path, name), Why: fmt.Sprintf("unknown field %q: %s", name, hint)}
		})
	}
	return nil
}

// typeError says of a field of the wrong type where it stands.
func typeError(text []byte, err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) || wrong.Field == "" {
		return &ManifestError{Err: err}
	}
	return &ManifestError{Where: lineOf(text, int(wrong.Offset)) + ": " + wrong.Field, Err: err}
}
