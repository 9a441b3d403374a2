// Package talostest holds certification topics recorded from real agents and the real
// certifier, for the tests of every package and for the demonstration.
package talostest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ichor-replicator/ichor/host/talos"
)

//go:embed testdata/*.jsonl.gz
var files embed.FS

// Record is one record of a recorded topic.
type Record struct {
	Position   talos.Position
	TimeMillis int64 // the broker's append time since the Unix epoch
	Key        []byte
	Headers    []Header
	Value      []byte // nil where the record has none
	Aborted    bool   // it belongs to a Kafka transaction that was aborted
	Control    bool   // it is a transaction's marker
}

// Header is one header of a record; Value is nil where the wire says null.
type Header struct {
	Name  string
	Value []byte
}

// Header returns the value of the last header of that name that has one, else nil. It is what
// talos.Classify asks for.
func (r *Record) Header(name string) []byte {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if h := r.Headers[i]; h.Name == name && h.Value != nil {
			return h.Value
		}
	}
	return nil
}

// Small returns 230 records: 66 commits and 49 aborts, some of them traced.
func Small() ([]Record, error) { return read("testdata/small.jsonl.gz") }

// Contention returns 25,598 records of agents that fight over 100 accounts: 40.7 % aborts.
func Contention() ([]Record, error) { return read("testdata/contention.jsonl.gz") }

func read(name string) ([]Record, error) {
	packed, err := files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("open recorded topic: %w", err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack recorded topic %s: %w", name, err)
	}
	lines := bufio.NewScanner(plain)
	lines.Buffer(nil, 1<<24)
	var records []Record
	for lines.Scan() {
		r, err := parse(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("read recorded topic %s line %d: %w", name, len(records)+1, err)
		}
		records = append(records, r)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read recorded topic %s: %w", name, err)
	}
	return records, nil
}

// line is one record as the files hold it.
type line struct {
	Offset    talos.Position `json:"offset"`
	Timestamp int64          `json:"timestamp_ms"`
	Key       octets         `json:"key"`
	Headers   [][2]octets    `json:"headers"`
	Value     octets         `json:"value"`
	Aborted   bool           `json:"txn_aborted"`
	Control   bool           `json:"control"`
}

// octets is a byte string written as null, as text, or as {"base64": text}.
type octets []byte

// UnmarshalJSON implements json.Unmarshaler.
func (o *octets) UnmarshalJSON(raw []byte) error {
	switch {
	case string(raw) == "null":
		*o = nil
		return nil
	case raw[0] == '"':
		var text string
		err := json.Unmarshal(raw, &text)
		*o = []byte(text)
		return err
	}
	var wrapped struct {
		Base64 *string `json:"base64"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wrapped); err != nil {
		return err
	}
	if wrapped.Base64 == nil {
		return fmt.Errorf("a byte string is null, text or base64, not %s", raw)
	}
	decoded, err := base64.StdEncoding.DecodeString(*wrapped.Base64)
	*o = decoded
	return err
}

func parse(text []byte) (Record, error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return Record{}, err
	}
	r := Record{Position: l.Offset, TimeMillis: l.Timestamp, Key: l.Key, Value: l.Value, Aborted: l.Aborted, Control: l.Control}
	for _, h := range l.Headers {
		r.Headers = append(r.Headers, Header{Name: string(h[0]), Value: h[1]})
	}
	return r, nil
}
