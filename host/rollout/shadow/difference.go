package shadow

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// What of a difference is kept for people: statements of each side, and bytes of a text.
const (
	statementsMost = 16
	valueMost      = 512
	statemapMost   = 2048
	sentenceMost   = 64
)

// Difference is a version of which the two modules do not make the same. Its texts are bounded; what was
// cut off ends in "…".
type Difference struct {
	Version  talos.Version `json:"version"`
	XID      string        `json:"xid"`
	Kind     Kind          `json:"kind"`
	Aspect   Aspect        `json:"aspect"`
	What     string        `json:"what"`     // a sentence about the aspect
	Statemap string        `json:"statemap"` // JSON, where it was not cut off
	Old      guest.Outcome `json:"old"`
	New      guest.Outcome `json:"new"`

	at  int // the first statement that differs; -1 if it is none of them
	sum [sumSize]byte
	// shape is of what is held against the new module; a version that it alone converts is not.
	shape [sumSize]byte
}

// describe keeps what a person wants to see.
func (d *Difference) describe(record *guest.Record, before, now Side) {
	d.XID = clipped(record.XID, valueMost)
	d.Statemap = statemapOf(record)
	d.Old, d.New = d.outcome(before), d.outcome(now)
}

// outcome returns what one side made of the version: its first statements, or if the one that differs is
// not among them, those from there on.
func (d *Difference) outcome(side Side) guest.Outcome {
	c := *side.Conversion
	from := 0
	if d.at >= statementsMost {
		from = min(d.at, len(c.Statements))
	}
	to := min(len(c.Statements), from+statementsMost)
	left := len(c.Statements) - to
	c.Statements = c.Statements[from:to]
	o := c.Outcome(side.Manifest)
	o.Before, o.After = from, left
	for _, s := range o.Statements {
		for i, value := range s.Values {
			if value != nil {
				short := clipped(*value, valueMost)
				s.Values[i] = &short
			}
		}
	}
	return o
}

// statemapOf writes a record's items as they stand on the topic.
func statemapOf(record *guest.Record) string {
	var b strings.Builder
	b.WriteByte('[')
	for i := range record.Items {
		if b.Len() > statemapMost {
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		item := &record.Items[i]
		action, _ := json.Marshal(item.Action) //nolint:errchkjson // a text has no error
		fmt.Fprintf(&b, "{%s: %s}", action, item.Payload[:min(len(item.Payload), statemapMost+1)])
	}
	b.WriteByte(']')
	return clipped(b.String(), statemapMost)
}

// clipped shortens a text, between two characters.
func clipped(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}
