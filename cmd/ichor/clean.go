package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/ichor-replicator/ichor/host/guest"
)

// What is shown of a log, of a guest, of the database's errors and of people's reasons was written by strangers: an
// account may be named by a sequence that moves a terminal's cursor, or by two lines of which the second looks like ours.

// cleaned makes every text within a value safe to show, in place, as guest.Clean does, and one line, but for SQL, which
// is shown indented. It is for what a verb prints for people and does nothing else with.
func cleaned[T any](value *T) *T {
	clean(reflect.ValueOf(value).Elem(), false)
	return value
}

var rawJSON = reflect.TypeFor[json.RawMessage]()

// clean goes into a value; lines lets texts have several.
func clean(v reflect.Value, lines bool) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() {
			v.SetString(cleanText(v.String(), lines))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			clean(v.Elem(), lines)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				clean(v.Field(i), field.Name == "SQL")
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type() == rawJSON {
			v.SetBytes(cleanJSON(v.Bytes()))
			return
		}
		for i := range v.Len() {
			clean(v.Index(i), lines)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			is := reflect.New(v.Type().Elem()).Elem()
			is.Set(v.MapIndex(key))
			clean(is, lines)
			v.SetMapIndex(key, is)
		}
	default: // numbers say nothing but numbers
	}
}

func cleanText(text string, lines bool) string {
	if !lines {
		return guest.Clean([]byte(strings.ReplaceAll(text, "\n", "; ")))
	}
	var all []string
	for line := range strings.SplitSeq(text, "\n") {
		all = append(all, guest.Clean([]byte(strings.ReplaceAll(line, "\t", "    "))))
	}
	return strings.Join(all, "\n")
}

// cleanJSON puts a value on one line: no control character is left within its strings then, and what else is odd is
// made safe.
func cleanJSON(text []byte) []byte {
	var line bytes.Buffer
	if json.Compact(&line, text) != nil {
		return []byte(guest.Clean(text))
	}
	return []byte(guest.Clean(line.Bytes()))
}

// printClean writes lines that have a stranger's words in them.
func printClean(w io.Writer, text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintln(w, cleanText(strings.TrimSuffix(line, "\n"), true))
	}
}

// shownError is what a person is told of an error: its further lines are indented, so that none looks like ours.
func shownError(err error) string {
	return strings.ReplaceAll(cleanText(strings.TrimRight(err.Error(), "\n"), true), "\n", "\n  ")
}
