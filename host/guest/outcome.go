package guest

import "github.com/ichor-replicator/ichor/abi"

// Outcome is a conversion as people and JSON read it, with what the database is given of each statement.
type Outcome struct {
	Version    uint64          `json:"version"`
	Status     string          `json:"status"` // converted, skipped or rejected
	Class      string          `json:"class,omitempty"`
	Code       uint32          `json:"code,omitempty"`
	Message    string          `json:"message,omitempty"`
	Statements []StatementText `json:"statements,omitempty"`
	// Before and After are how many statements stand before and after those that are shown, where there
	// was no room for all.
	Before int `json:"statements_before,omitempty"`
	After  int `json:"statements_after,omitempty"`
}

// StatementText is what the database is given of one statement.
type StatementText struct {
	Template uint32    `json:"template"`
	Name     string    `json:"name"` // the template's, for people
	SQL      string    `json:"sql"`
	Params   []string  `json:"params"` // the types of the values
	Values   []*string `json:"values"` // nil is null
}

// Outcome returns the conversion as people read it. The manifest is that of the guest that made it.
func (c *Conversion) Outcome(m *abi.Manifest) Outcome {
	o := Outcome{Version: uint64(c.Version), Status: c.Status.String()}
	if c.Reject != nil {
		o.Class, o.Code, o.Message = string(c.Reject.Class), c.Reject.Code, c.Reject.Message
	}
	for _, s := range c.Statements {
		t := m.Template(s.Template)
		one := StatementText{Template: s.Template, Name: t.Name, SQL: t.SQL, Params: t.Params, Values: make([]*string, len(s.Args))}
		for i, arg := range s.Args {
			if arg != nil {
				text := string(arg)
				one.Values[i] = &text
			}
		}
		o.Statements = append(o.Statements, one)
	}
	return o
}
