package transcript

import (
	"encoding/json"
	"fmt"
)

// readCandidate reads a candidate by encoding/json. It knows the refusals that a generator
// makes: values that are no JSON, and fields that are missing or null.
func (l *Log) readCandidate(value []byte) *candidate {
	var fields map[string]json.RawMessage
	if json.Unmarshal(value, &fields) != nil {
		return &candidate{refused: true}
	}
	for _, name := range []string{"xid", "agent", "cohort", "readset", "readvers", "snapshot", "writeset", "publishedAt"} {
		if raw, ok := fields[name]; !ok || string(raw) == "null" {
			return &candidate{refused: true}
		}
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
