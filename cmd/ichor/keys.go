package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/ichor-replicator/ichor/abi"
)

// checkKeys refuses a key that no setting has, with its line and the nearest that one has.
func checkKeys(document *yaml.Node) error {
	return checkNode(document, reflect.TypeFor[settings](), "")
}

// checkNode compares a node with the type that it will be decoded into; path is where it
// stands. A node of another kind is left to the decoder, which says so.
func checkNode(node *yaml.Node, t reflect.Type, path string) error {
	switch node.Kind {
	case yaml.AliasNode:
		return checkNode(node.Alias, t, path)
	case yaml.DocumentNode:
		return checkNode(node.Content[0], t, path)
	case yaml.SequenceNode:
		if t.Kind() != reflect.Slice {
			return nil
		}
		for i, element := range node.Content {
			if err := checkNode(element, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case yaml.MappingNode:
		if t.Kind() != reflect.Struct {
			return nil
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if err := checkMember(node.Content[i], node.Content[i+1], t, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkMember(key, value *yaml.Node, t reflect.Type, path string) error {
	if key.Tag == "!!merge" {
		return checkNode(value, t, path)
	}
	if path != "" {
		path += "."
	}
	fields := fieldsOf(t)
	if field, known := fields[key.Value]; known {
		return checkNode(value, field, path+key.Value)
	}
	here := slices.Sorted(maps.Keys(fields))
	what := fmt.Sprintf("line %d: there is no setting %s%s", key.Line, path, key.Value)
	if best := abi.Nearest(key.Value, here); best != "" {
		return fmt.Errorf("%s: did you mean %q?", what, path+best)
	}
	if best := nearestAnywhere(key.Value); best != "" {
		return fmt.Errorf("%s: did you mean %q?", what, best)
	}
	return fmt.Errorf("%s: there are %s", what, strings.Join(here, ", "))
}

// fieldsOf returns the settings of a group by their names.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := make(map[string]reflect.Type, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		fields[key] = f.Type
	}
	return fields
}

// nearestAnywhere returns the path of the setting whose last word looks most like a word,
// whatever its group, or nothing if none does.
func nearestAnywhere(word string) string {
	paths := make(map[string]string) // by last word
	var walk func(reflect.Type, string)
	walk = func(t reflect.Type, path string) {
		for key, field := range fieldsOf(t) {
			if old, known := paths[key]; !known || path+key < old {
				paths[key] = path + key
			}
			if field.Kind() == reflect.Struct {
				walk(field, path+key+".")
			}
		}
	}
	walk(reflect.TypeFor[settings](), "")
	return paths[abi.Nearest(word, slices.Sorted(maps.Keys(paths)))]
}
