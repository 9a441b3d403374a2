package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/ichor-replicator/ichor/examples/certification"
	"github.com/ichor-replicator/ichor/host/talos"
)

// source makes the messages of a backlog, each for the position that it names.
type source interface {
	next() (certification.Message, bool, error)
}

// prompt is a workload as it is made: a decision comes soon after its candidate.
type prompt struct {
	generator *certification.Generator
	size      int // candidates
}

func (p *prompt) next() (certification.Message, bool, error) {
	if p.generator.Counts().Candidates >= p.size {
		p.generator.Finish()
	}
	m, more := p.generator.Next()
	return m, more, nil
}

// late is the same workload with every decision behind the last candidate: the certifier was away. The
// workload is made twice, so that no message need be kept.
type late struct {
	candidates, decisions prompt
	moved                 map[talos.Version]talos.Version // candidates, from where the workload has them
	position              talos.Position
}

func (l *late) next() (certification.Message, bool, error) {
	m, more := l.take(&l.candidates, "Candidate")
	if more {
		l.moved[talos.Version(m.Position)] = talos.Version(l.position)
	} else if m, more = l.take(&l.decisions, "Decision"); more {
		value, err := l.renumber(m.Value)
		if err != nil {
			return m, false, err
		}
		m.Value = value
	}
	m.Position = l.position
	l.position++
	return m, more, nil
}

// take returns the next message of a kind.
func (l *late) take(from *prompt, kind string) (certification.Message, bool) {
	for {
		m, more, _ := from.next() // it never fails
		if !more || kindOf(m) == kind {
			return m, more
		}
	}
}

// renumber makes a decision speak of where candidates stand now.
func (l *late) renumber(value []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(value, &fields); err != nil {
		return nil, fmt.Errorf("a decision of the workload: %w", err)
	}
	for _, name := range []string{"version", "safepoint", "conflictVersion", "duplicateVersion"} {
		if text, named := fields[name]; named && !bytes.Equal(text, []byte("null")) {
			var v talos.Version
			if err := json.Unmarshal(text, &v); err != nil {
				return nil, fmt.Errorf("%s of a decision of the workload: %w", name, err)
			}
			fields[name] = fmt.Append(nil, uint64(l.moved[v]))
		}
	}
	return json.Marshal(fields)
}
