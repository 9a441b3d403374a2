package telemetry

import (
	"bufio"
	"io"
	"log/slog"

	"github.com/ichor-replicator/ichor/host/replicator"
)

// Trace writes what a core takes and answers to a writer, as a script. The core's goroutine alone uses
// it; a nil Trace writes nothing. When the writer fails the trace ends, and the host goes on.
type Trace struct {
	out  *bufio.Writer
	core *replicator.Trace
	log  *slog.Logger
}

// NewTrace returns a trace of a core that begins like this, or nil when there is no writer.
func NewTrace(w io.Writer, opts replicator.Options, start replicator.Start, log *slog.Logger) *Trace {
	if w == nil {
		return nil
	}
	return &Trace{out: bufio.NewWriterSize(w, 64<<10), core: replicator.NewTrace(opts, start), log: log}
}

// Step writes an event and the answer to it. It is called BEFORE the actions are carried out.
func (t *Trace) Step(now int64, ev replicator.Event, actions []replicator.Action) {
	if t != nil && t.out != nil {
		_, err := t.out.WriteString(t.core.Step(now, ev, actions))
		t.failed(err)
	}
}

// Flush hands what was written on; it is called often, so that a trace tells of a crash too.
func (t *Trace) Flush() {
	if t != nil && t.out != nil {
		t.failed(t.out.Flush())
	}
}

func (t *Trace) failed(err error) {
	if err != nil {
		t.log.Warn("the trace ends here: it cannot be written", "error", err)
		t.out = nil
	}
}
