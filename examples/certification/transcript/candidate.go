package transcript

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// unrepeated reports whether a value is in UTF-8, and an object that has no field twice: encoding/json passes over both.
func unrepeated(value []byte) bool {
	fields, seen := json.NewDecoder(bytes.NewReader(value)), map[json.Token]bool{}
	if begins, err := fields.Token(); err != nil || begins != json.Delim('{') || !utf8.Valid(value) {
		return false
	}
	for fields.More() {
		var ignored json.RawMessage
		name, err := fields.Token()
		if err != nil || seen[name] || fields.Decode(&ignored) != nil {
			return false
		}
		seen[name] = true
	}
	return true
}

// readCandidate reads a candidate by encoding/json. It knows the refusals that a generator
// makes: values that are no JSON or not in UTF-8, fields that are missing, null or there twice, and a snapshot that is no number of 64 bits.
func (l *Log) readCandidate(value []byte) *candidate {
	var fields map[string]json.RawMessage
	if !unrepeated(value) || json.Unmarshal(value, &fields) != nil {
		return &candidate{refused: true}
	}
	for _, name := range []string{"xid", "agent", "cohort", "readset", "readvers", "snapshot", "writeset", "publishedAt"} {
		if raw, ok := fields[name]; !ok || string(raw) == "null" {
			return &candidate{refused: true}
		}
	}
	var snapshot uint64
	if json.Unmarshal(fields["snapshot"], &snapshot) != nil {
		return &candidate{refused: true}
	}
	var items []map[string]json.RawMessage
	if raw, ok := fields["statemap"]; ok {
		if err := json.Unmarshal(raw, &items); err != nil {
			return &candidate{bad: err}
		}
	}
	c := &candidate{}
	for _, item := range items {
		if len(item) != 1 {
			return &candidate{bad: fmt.Errorf("an item with %d keys", len(item))}
		}
		for action, payload := range item {
			is := Item{action, payload}
			if err := l.understand(is); err != nil {
				return &candidate{bad: err}
			}
			c.items = append(c.items, is)
		}
	}
	return c
}
