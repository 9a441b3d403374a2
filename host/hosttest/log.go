package hosttest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
)

// OnceHandler hands lines on to another handler, and fails the test at a line that has a key twice, and where one is given
// twice to all lines to come: whoever reads JSON gets one of the two values.
type OnceHandler struct {
	slog.Handler
	fail  func(what, key string)
	given []string // the keys of With
}

// Once returns a handler that hands lines on to to, and fails the test once for each kind of line that has a key twice.
func Once(tb testing.TB, to slog.Handler) *OnceHandler {
	tb.Helper()
	var mu sync.Mutex
	told := map[string]bool{}
	return &OnceHandler{Handler: to, fail: func(what, key string) {
		mu.Lock()
		defer mu.Unlock()
		if !told[what+"\x00"+key] {
			told[what+"\x00"+key] = true
			tb.Errorf("the log: %s has the key %q twice", what, key)
		}
	}}
}

// Handle implements slog.Handler.
func (o *OnceHandler) Handle(ctx context.Context, r slog.Record) error {
	keys := append([]string{slog.TimeKey, slog.LevelKey, slog.MessageKey}, o.given...)
	r.Attrs(func(a slog.Attr) bool {
		keys = append(keys, a.Key)
		return true
	})
	slices.Sort(keys)
	for i := 1; i < len(keys); i++ {
		if keys[i] == keys[i-1] {
			o.fail(fmt.Sprintf("the line %q", r.Message), keys[i])
		}
	}
	return o.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (o *OnceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := &OnceHandler{Handler: o.Handler.WithAttrs(attrs), fail: o.fail, given: slices.Clone(o.given)}
	for _, a := range attrs {
		if slices.Contains(with.given, a.Key) {
			o.fail("what is given to each line", a.Key)
			continue
		}
		with.given = append(with.given, a.Key)
	}
	return with
}

// WithGroup implements slog.Handler: within it the keys are others.
func (o *OnceHandler) WithGroup(name string) slog.Handler {
	return &OnceHandler{Handler: o.Handler.WithGroup(name), fail: o.fail}
}
