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

// mistake is what is wrong on a line of a file of settings.
type mistake struct {
	line int
	says string
}

// spot is where a value or a key begins, by which YAML names it.
type spot struct{ line, column int }

// keys are the settings that a document has.
type keys struct {
	paths   map[spot]string // of values and of keys
	unknown []mistake       // that no setting has, each with the nearest that one has
}

// keysOf looks at all keys of a document.
func keysOf(document *yaml.Node) *keys {
	k := &keys{paths: map[spot]string{}}
	k.look(document, reflect.TypeFor[settings](), "")
	return k
}

// look compares a node with the type that it will be decoded into; path is where it
// stands. A node of another kind is left to the decoder, which says so.
func (k *keys) look(node *yaml.Node, t reflect.Type, path string) {
	switch k.paths[spot{node.Line, node.Column}] = path; node.Kind {
	case yaml.AliasNode:
		k.look(node.Alias, t, path)
	case yaml.DocumentNode:
		k.look(node.Content[0], t, path)
	case yaml.SequenceNode:
		if t.Kind() != reflect.Slice {
			return
		}
		for i, element := range node.Content {
			k.look(element, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	case yaml.MappingNode:
		if t.Kind() != reflect.Struct {
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			k.member(node.Content[i], node.Content[i+1], t, path)
		}
	}
}

func (k *keys) member(key, value *yaml.Node, t reflect.Type, path string) {
	if key.Tag == "!!merge" {
		k.look(value, t, path)
		return
	}
	if path != "" {
		path += "."
	}
	fields := fieldsOf(t)
	if field, known := fields[key.Value]; known {
		k.paths[spot{key.Line, key.Column}] = path + key.Value
		k.look(value, field, path+key.Value)
		return
	}
	here := slices.Sorted(maps.Keys(fields))
	says := fmt.Sprintf("there is no setting %s%s: ", path, key.Value)
	if best := abi.Nearest(key.Value, here); best != "" {
		says += fmt.Sprintf("did you mean %q?", path+best)
	} else if best := nearestAnywhere(key.Value); best != "" {
		says += fmt.Sprintf("did you mean %q?", best)
	} else {
		says += "there are " + strings.Join(here, ", ")
	}
	k.unknown = append(k.unknown, mistake{key.Line, says})
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
