// Package recording reads and writes a certification topic as a file, one JSON object a line in the
// order of positions.
//
//	{"offset":0,"timestamp_ms":0,"key":B,"headers":[["name",B],…],"value":B,"txn_aborted":false,"control":false}
//
// B is a byte string: null, a text, or {"base64": text}. The file may be packed by gzip.
package recording

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/ichor-replicator/ichor/host/talos"
)

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

// How a recording begins.
const (
	Opening = `{"offset":` // one that Write wrote
	Packed  = "\x1f\x8b"   // one that is packed by gzip
)

// Write writes a record as a line that Read reads.
func Write(to io.Writer, r *Record) error {
	l := line{Offset: r.Position, Timestamp: r.TimeMillis, Key: r.Key, Headers: [][2]octets{}, Value: r.Value, Aborted: r.Aborted, Control: r.Control}
	for _, h := range r.Headers {
		l.Headers = append(l.Headers, [2]octets{octets(h.Name), h.Value})
	}
	text, err := json.Marshal(l)
	if err == nil {
		_, err = to.Write(append(text, '\n'))
	}
	return err
}

// lineMax bounds a line: a record is at most 100 MiB, and base64 makes it longer.
const lineMax = 160 << 20

// Read calls yield for each record of a recording, in its order, until the end or yield's error. A line
// that is none, or whose position is not above that of the line before, is an error that names it.
func Read(from io.Reader, yield func(*Record) error) error {
	buffered := bufio.NewReader(from)
	plain := io.Reader(buffered)
	if magic, err := buffered.Peek(2); err == nil && string(magic) == Packed {
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		plain = unpacked
	}
	lines := bufio.NewScanner(plain)
	lines.Buffer(nil, lineMax)
	last := talos.Position(-1)
	for n := 1; lines.Scan(); n++ {
		r, err := parse(lines.Bytes())
		if err != nil && !lines.Scan() { // nothing follows
			return fmt.Errorf("line %d, the last one: %w; was the file written to its end?", n, cmp.Or(lines.Err(), err))
		}
		if err == nil && r.Position <= last {
			err = fmt.Errorf("position %d follows %d", r.Position, last)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		last = r.Position
		if err := yield(&r); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("behind position %d: %w", last, err)
	}
	return nil
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

// MarshalJSON implements json.Marshaler.
func (o octets) MarshalJSON() ([]byte, error) {
	switch {
	case o == nil:
		return []byte("null"), nil
	case utf8.Valid(o):
		return json.Marshal(string(o))
	default:
		return json.Marshal(struct {
			Base64 []byte `json:"base64"`
		}{o})
	}
}

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
