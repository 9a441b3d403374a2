package telemetry

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/replicator"
)

func TestATraceBeginsWithTheCore(t *testing.T) {
	var out bytes.Buffer
	trace := NewTrace(&out, replicator.Options{Lanes: 2}, replicator.Start{Snapshot: 7, Resume: 8}, slog.Default())
	trace.Step(1000, &replicator.Tick{}, []replicator.Action{&replicator.Connect{Lane: 1}})
	trace.Flush()
	if got := out.String(); !strings.HasPrefix(got, "core cold lanes=2 ") || !strings.HasSuffix(got, "\ntick\n----\nconnect lane 1\n\n") {
		t.Errorf("the trace is\n%s", got)
	}
	var none *Trace
	none.Step(1, &replicator.Tick{}, nil)
	none.Flush()
}

// full is a writer without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

var _ io.Writer = full{}

// A disk that is full ends the trace with one line, and nothing else.
func TestATraceThatCannotBeWrittenEnds(t *testing.T) {
	var lines bytes.Buffer
	trace := NewTrace(full{}, replicator.Options{}, replicator.Start{}, slog.New(slog.NewTextHandler(&lines, nil)))
	for i := range int64(10) {
		trace.Step(i, &replicator.Tick{}, nil)
		trace.Flush()
	}
	if got := lines.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "no space left") {
		t.Errorf("want one line, got\n%s", got)
	}
}
