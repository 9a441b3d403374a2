package abi

import (
	"fmt"
	"slices"
	"strings"
)

func (m *Manifest) validate() error {
	for _, check := range []func() error{m.checkHead, m.checkTemplates, m.checkActions, m.checkLimits, m.checkVectors} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func refuse(where, format string, args ...any) error {
	return &ManifestError{Where: where, Why: fmt.Sprintf(format, args...)}
}

func checkName(where, name string) error {
	switch {
	case name == "":
		return refuse(where, "is missing")
	case len(name) > MaxName:
		return refuse(where, "is longer than %d bytes", MaxName)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return refuse(where, "has a control character")
	}
	return nil
}

func (m *Manifest) checkHead() error {
	if err := checkName("name", m.Name); err != nil {
		return err
	}
	if err := checkName("version", m.Version); err != nil {
		return err
	}
	if m.Input != InputTokens && m.Input != InputJSON {
		return refuse("input", `is %q, want "tokens" or "json"`, m.Input)
	}
	if m.UnknownAction != UnknownReject && m.UnknownAction != UnknownSkip {
		return refuse("unknown_action", `is %q, want "reject" or "skip"`, m.UnknownAction)
	}
	return nil
}

func (m *Manifest) checkTemplates() error {
	if len(m.Templates) > MaxTemplates {
		return refuse("templates", "%d, at most %d are allowed", len(m.Templates), MaxTemplates)
	}
	ids, names := make(map[uint32]bool), make(map[string]bool)
	for i := range m.Templates {
		t, where := &m.Templates[i], fmt.Sprintf("templates[%d]", i)
		if err := t.validate(where); err != nil {
			return err
		}
		if ids[t.ID] {
			return refuse(where+".id", "%d stands twice", t.ID)
		}
		if names[t.Name] {
			return refuse(where+".name", "%q stands twice", t.Name)
		}
		ids[t.ID], names[t.Name] = true, true
	}
	return nil
}

func (t *Template) validate(where string) error {
	if t.ID < 1 || t.ID > MaxTemplates {
		return refuse(where+".id", "is %d, want 1 to %d", t.ID, MaxTemplates)
	}
	if err := checkName(where+".name", t.Name); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(t.SQL) == "":
		return refuse(where+".sql", "is missing")
	case len(t.SQL) > MaxSQL:
		return refuse(where+".sql", "is longer than %d bytes", MaxSQL)
	case strings.ContainsRune(t.SQL, 0):
		return refuse(where+".sql", "has a NUL")
	case len(t.Params) > MaxParams:
		return refuse(where+".params", "%d, at most %d are allowed", len(t.Params), MaxParams)
	case len(t.Writes) == 0:
		return refuse(where+".writes", "is empty: name the relations that the statement changes")
	}
	for i, p := range t.Params {
		if !slices.Contains(ParamTypes(), p) {
			return refuse(fmt.Sprintf("%s.params[%d]", where, i), "%q is not one of %s", p, strings.Join(ParamTypes(), ", "))
		}
	}
	for i, w := range t.Writes {
		if err := checkName(fmt.Sprintf("%s.writes[%d]", where, i), w); err != nil {
			return err
		}
	}
	return nil
}

func (m *Manifest) checkActions() error {
	if len(m.Actions) == 0 {
		return refuse("actions", "is empty: a guest converts at least one action")
	}
	if len(m.Actions) > MaxActions {
		return refuse("actions", "%d, at most %d are allowed", len(m.Actions), MaxActions)
	}
	names := make(map[string]bool)
	for i, a := range m.Actions {
		where := fmt.Sprintf("actions[%d]", i)
		if len(a.Name) > MaxName { // else any text: it is the topic's, which may be empty
			return refuse(where+".name", "is longer than %d bytes", MaxName)
		}
		if names[a.Name] {
			return refuse(where+".name", "%q stands twice", a.Name)
		}
		names[a.Name] = true
		if len(a.Templates) > MaxTemplates {
			return refuse(where+".templates", "%d, at most %d are allowed", len(a.Templates), MaxTemplates)
		}
		for j, id := range a.Templates {
			if m.Template(id) == nil {
				return refuse(fmt.Sprintf("%s.templates[%d]", where, j), "no template has the id %d", id)
			}
		}
	}
	return nil
}

// Template returns the template of that id, or nil.
func (m *Manifest) Template(id uint32) *Template {
	for i := range m.Templates {
		if m.Templates[i].ID == id {
			return &m.Templates[i]
		}
	}
	return nil
}

func (m *Manifest) checkLimits() error {
	if m.Limits.Records < 0 || m.Limits.Records > MaxRecords {
		return refuse("limits.records", "is %d, want 1 to %d", m.Limits.Records, MaxRecords)
	}
	if m.Limits.Statements < 0 || m.Limits.Statements > MaxStatements {
		return refuse("limits.statements", "is %d, want 1 to %d", m.Limits.Statements, MaxStatements)
	}
	return nil
}

func (m *Manifest) checkVectors() error {
	if len(m.Vectors) > MaxVectors {
		return refuse("vectors", "%d, at most %d are allowed", len(m.Vectors), MaxVectors)
	}
	for i, v := range m.Vectors {
		where := fmt.Sprintf("vectors[%d]", i)
		if err := checkName(where+".name", v.Name); err != nil {
			return err
		}
		if len(v.Expect) != len(v.Input) {
			return refuse(where+".expect", "%d answers for %d inputs", len(v.Expect), len(v.Input))
		}
		for j, in := range v.Input {
			for k, item := range in.Statemap {
				if len(item) != 1 {
					return refuse(fmt.Sprintf("%s.input[%d].statemap[%d]", where, j, k), "%d actions, want one", len(item))
				}
			}
		}
	}
	return nil
}
