package guest

import "github.com/ichor-replicator/ichor/abi"

// Outcome is a conversion as people and JSON read it, with what the database is given of each statement.
type Outcome struct {
	Version    uint64          `json:"version"`              // that was converted
	Status     string          `json:"status"`               // converted, skipped or rejected
	Class      string          `json:"class,omitempty"`      // of a rejection: guest_reject, guest_fault and others
	Code       uint32          `json:"code,omitempty"`       // of a rejection, the guest's own
	Message    string          `json:"message,omitempty"`    // of a rejection, for people
	Statements []StatementText `json:"statements,omitempty"` // in their order
	// Before and After are how many statements stand before and after those that are shown, where there
	// was no room for all.
	Before int `json:"statements_before,omitempty"`
	After  int `json:"statements_after,omitempty"` // see statements_before
}

// StatementText is what the database is given of one statement.
type StatementText struct {
	Template uint32    `json:"template"` // its id in the manifest
	Name     string    `json:"name"`     // the template's, for people
	SQL      string    `json:"sql"`      // with $1, $2, … for the values
	Params   []string  `json:"params"`   // the types of the values
	Values   []*string `json:"values"`   // nil is null
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
