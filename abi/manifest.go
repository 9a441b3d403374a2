package abi

import (
	"encoding/json"
	"fmt"
)

// InputForm is how a guest wants its payloads.
type InputForm string

// The forms: with a token tape beside the JSON, or the JSON alone.
const (
	InputTokens InputForm = "tokens"
	InputJSON   InputForm = "json"
)

// UnknownAction is what becomes of an item whose action the manifest does not name.
type UnknownAction string

// The two answers to an unknown action.
const (
	UnknownReject UnknownAction = "reject"
	UnknownSkip   UnknownAction = "skip"
)

// Manifest is what a guest says of itself, as JSON, when it is asked to describe.
type Manifest struct {
	Name          string         `json:"name"`
	Version       string         `json:"version"`
	Input         InputForm      `json:"input"`
	UnknownAction UnknownAction  `json:"unknown_action"`
	Actions       []Action       `json:"actions"`
	Templates     []Template     `json:"templates"`
	Limits        ManifestLimits `json:"limits,omitzero"`
	Vectors       []Vector       `json:"vectors,omitempty"`
}

// Action is one action that a guest converts, and the templates that it may use for it.
type Action struct {
	Name      string   `json:"name"`
	Templates []uint32 `json:"templates"`
}

// Template is one SQL statement, declared once. At run time a guest names it by its id
// and brings values; no SQL text crosses the boundary then.
type Template struct {
	ID     uint32   `json:"id"` // 1 to MaxTemplates
	Name   string   `json:"name"`
	SQL    string   `json:"sql"`             // one statement, parameters as $1, $2, …
	Params []string `json:"params"`          // a type of ParamTypes for each parameter
	Writes []string `json:"writes"`          // the relations that the statement changes
	Guard  string   `json:"guard,omitempty"` // the column that guards against a second install
	Rows   Rows     `json:"rows,omitempty"`  // how many rows the statement must touch
}

// ManifestLimits are a guest's own, lower limits. Zero means the host's.
type ManifestLimits struct {
	Records    int `json:"records,omitzero"`    // records of one call
	Statements int `json:"statements,omitzero"` // statements of an item, on average over its version's items
}

// Vector is one example that a guest must convert as it says, whenever it is loaded.
type Vector struct {
	Name   string         `json:"name"`
	Input  []VectorInput  `json:"input"`
	Expect []VectorAnswer `json:"expect"` // one for each input
}

// VectorInput is one version.
type VectorInput struct {
	Version   uint64                       `json:"version"`
	Safepoint uint64                       `json:"safepoint"`
	Time      int64                        `json:"time"`
	XID       string                       `json:"xid"`
	Cohort    string                       `json:"cohort"`
	Agent     string                       `json:"agent"`
	Statemap  []map[string]json.RawMessage `json:"statemap"`
}

// VectorAnswer is what one version must become. Message is not compared when empty.
type VectorAnswer struct {
	Status     string            `json:"status"`
	Code       uint32            `json:"code,omitzero"`
	Message    string            `json:"message,omitzero"`
	Statements []VectorStatement `json:"statements,omitempty"`
}

// VectorStatement is a template and its arguments; a nil argument is null.
type VectorStatement struct {
	Template uint32    `json:"template"`
	Args     []*string `json:"args"`
}

// ParamTypes returns the names of the types that a template's parameters may have, as
// Postgres spells them.
func ParamTypes() []string {
	return []string{
		"bigint", "boolean", "bytea", "date", "double precision", "integer", "interval",
		"json", "jsonb", "numeric", "real", "smallint", "text", "text[]", "time", "timestamp",
		"timestamptz", "uuid", "varchar", "bigint[]", "numeric[]",
	}
}

// Rows is the number of rows that a statement must touch, or AnyRows.
type Rows int

// AnyRows is the default: a cohort's initiator may have installed the version already, so
// zero rows are as good as one.
const AnyRows Rows = 0

// UnmarshalJSON reads "any" or a number from 1.
func (r *Rows) UnmarshalJSON(text []byte) error {
	if string(text) == `"any"` {
		*r = AnyRows
		return nil
	}
	var n int
	if err := json.Unmarshal(text, &n); err != nil || n < 1 {
		return fmt.Errorf(`rows is %s, want "any" or a number from 1`, text)
	}
	*r = Rows(n)
	return nil
}

// MarshalJSON is the inverse of UnmarshalJSON.
func (r Rows) MarshalJSON() ([]byte, error) {
	if r == AnyRows {
		return []byte(`"any"`), nil
	}
	return json.Marshal(int(r))
}

// ManifestError is why a manifest is refused.
type ManifestError struct {
	Where string // a path such as templates[2].sql, or empty
	Why   string
	Err   error
}

// Error implements error.
func (e *ManifestError) Error() string {
	why := e.Why
	if e.Err != nil {
		why = e.Err.Error()
	}
	if e.Where == "" {
		return "manifest: " + why
	}
	return "manifest: " + e.Where + ": " + why
}

// Unwrap returns the cause, if there is one.
func (e *ManifestError) Unwrap() error { return e.Err }

// DecodeManifest reads and checks a manifest. Unknown fields are refused by name: a guest
// that asks for what this host does not know must not run as if it had got it. Every error
// is a *ManifestError.
func DecodeManifest(text []byte) (*Manifest, error) {
	if len(text) > MaxManifest {
		return nil, &ManifestError{Why: fmt.Sprintf("%d bytes, at most %d are allowed", len(text), MaxManifest)}
	}
	if err := checkFields(text); err != nil {
		return nil, err
	}
	m := new(Manifest)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, typeError(text, err)
	}
	if err := m.validate(); err != nil {
		return nil, err
	}
	return m, nil
}
