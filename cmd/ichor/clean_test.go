package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/ichor-replicator/ichor/host/admin"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/replay"
	"github.com/ichor-replicator/ichor/host/rollout/shadow"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/verify"
)

// A stranger's text moves the cursor, sets the title, is red, is read from right to left, and has a line that looks like ours.
const (
	hostile = "x\x1b[31mred\x1b]0;title\x07\u009b31m\u202elast\r\nsnapshot   99999999, all well\u2028\x00"
	benign  = "x red title last snapshot"
)

// filled has a text wherever a value can have one, lists of two, and nothing that is nil.
func filled(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), text)
	case reflect.Slice:
		if v.Type() == rawJSON {
			raw, _ := json.Marshal(map[string]string{text: text})
			raw = bytes.ReplaceAll(raw, []byte("x"), []byte("\u009bx\u202e\n")) // some JSON has them as they are
			if text == benign {
				raw = []byte(`{"x":"x"}`)
			}
			v.SetBytes(raw)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			filled(v.Index(i), text)
		}
	case reflect.Array:
		for i := range v.Len() {
			filled(v.Index(i), text)
		}
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String {
			is := reflect.New(v.Type().Elem()).Elem()
			filled(is, text)
			v.Set(reflect.MakeMap(v.Type()))
			v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), is)
		}
	case reflect.Struct:
		if _, is := v.Addr().Interface().(*time.Time); is {
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				filled(v.Field(i), text)
			}
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	default:
	}
}

// of returns a value of a type that is filled with a text.
func of[T any](text string) *T {
	v := new(T)
	filled(reflect.ValueOf(v).Elem(), text)
	return v
}

// Whatever of strangers the verbs show is shown on the lines that are its own, and moves no cursor.
func TestStrangersTextsAreShownClean(t *testing.T) {
	plain := func(w io.Writer) *screen { return &screen{out: w, width: 80} }
	for name, show := range map[string]func(w io.Writer, text string) error{
		"quarantine list": func(w io.Writer, text string) error { return printHeld(w, *of[[]installer.Held](text)) },
		"quarantine show": func(w io.Writer, text string) error {
			return out(w, func() error { printShown(of[admin.HeldVersion](text)); return nil })
		},
		"explain": func(w io.Writer, text string) error {
			v := of[status.Version](text)
			return out(w, func() error { printVersion(v); return nil })
		},
		"status": func(w io.Writer, text string) error {
			s := of[status.Status](text)
			printStatus(plain(w), cleaned(s))
			s.Phase = status.PhaseRunning
			printStatus(plain(w), cleaned(s))
			_, err := io.WriteString(w, picture(plain(w), s, nil)+line(s, nil))
			return err
		},
		"guest history": func(w io.Writer, text string) error { return of[guestHistory](text).print(w) },
		"guest shadow": func(w io.Writer, text string) error {
			g := of[status.Guest](text)
			raw, err := json.Marshal(of[shadow.Difference](text))
			g.Shadow.First = []json.RawMessage{raw}
			return errors.Join(err, printShadow(w, g))
		},
		"guest convert": func(w io.Writer, text string) error { printOutcomes(w, *of[[]guest.Outcome](text)); return nil },
		"requests": func(w io.Writer, text string) error {
			asked := *of[[]installer.Request](text)
			asked = append(asked, asked[0])
			asked[1].EndedAt, asked[2].EndedAt, asked[2].TakenAt = nil, nil, nil
			return out(w, func() error {
				if err := (&asking{}).report(asked); err == nil {
					return errors.New("nothing is refused")
				}
				return nil
			})
		},
		"replay": func(w io.Writer, text string) error { printReplay(w, cleaned(of[replay.Report](text))); return nil },
		"verify": func(w io.Writer, text string) error { printPair(w, cleaned(of[verify.Pair](text))); return nil },
		"an error": func(w io.Writer, text string) error {
			_, err := io.WriteString(w, short1(shownError(errors.New(text))))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var is, want strings.Builder
			if err := errors.Join(show(&is, hostile), show(&want, benign)); err != nil {
				t.Fatal(err)
			}
			for _, r := range is.String() {
				if r != '\n' && (unicode.IsControl(r) || r == '\u202e' || r == '\u2028') {
					t.Fatalf("it shows %U:\n%q", r, is.String())
				}
			}
			if !strings.Contains(is.String(), "red") {
				t.Errorf("it shows no text:\n%s", is.String())
			}
			for line := range strings.Lines(is.String()) {
				if strings.HasPrefix(line, "snapshot   99999999") {
					t.Errorf("a stranger has written a line:\n%s", is.String())
				}
			}
			if is, want := strings.Count(is.String(), "\n"), strings.Count(want.String(), "\n"); is > want && name != "guest convert" { // its SQL has lines, and is indented
				t.Errorf("it has %d lines, and %d of what is well meant", is, want)
			}
		})
	}
	if got := shownError(errors.New("one\n" + hostile)); strings.Contains(got, "\nsnapshot") || strings.Contains(got, "\x1b") {
		t.Errorf("an error is shown as %q", got)
	}
}

// out has what a function prints on the standard output written to w.
func out(w io.Writer, print func() error) error {
	r, into, err := os.Pipe()
	if err != nil {
		return err
	}
	was := os.Stdout
	os.Stdout = into
	text := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(r)
		text <- all
	}()
	err = print()
	os.Stdout = was
	err = errors.Join(err, into.Close())
	_, wrong := w.Write(<-text)
	return errors.Join(err, wrong, r.Close())
}
