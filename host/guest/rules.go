package guest

import (
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest/sqlpolicy"
)

// rules are what a manifest allows, in a form that is quick to look up for every statement.
type rules struct {
	actions map[string]action
	params  []int               // by template id; -1 where there is none
	values  [][]sqlpolicy.Value // by template id: what each parameter takes
	records int                 // of a call, at most
	skip    bool                // unknown actions are skipped, not rejected
	tokens  bool
}

// action is the set of templates that an action may use, by template id.
type action []bool

func newRules(m *abi.Manifest) rules {
	highest := uint32(0)
	for i := range m.Templates {
		highest = max(highest, m.Templates[i].ID)
	}
	r := rules{
		actions: make(map[string]action, len(m.Actions)), params: make([]int, highest+1), values: make([][]sqlpolicy.Value, highest+1),
		records: abi.MaxRecords, skip: m.UnknownAction == abi.UnknownSkip, tokens: m.Input == abi.InputTokens,
	}
	if own := m.Limits.Records; own > 0 {
		r.records = own
	}
	for i := range r.params {
		r.params[i] = -1
	}
	for i := range m.Templates {
		t := &m.Templates[i]
		r.params[t.ID], r.values[t.ID] = len(t.Params), sqlpolicy.Values(t.Params)
	}
	for _, a := range m.Actions {
		allowed := make(action, highest+1)
		for _, id := range a.Templates {
			allowed[id] = true
		}
		r.actions[a.Name] = allowed
	}
	return r
}

// check tells whether a version of these actions may use a template with so many arguments.
func (r *rules) check(actions []action, c abi.Call) error {
	switch {
	case int(c.Template) >= len(r.params) || r.params[c.Template] < 0:
		return fmt.Errorf("template %d is not in the manifest", c.Template)
	case !slices.ContainsFunc(actions, func(a action) bool { return a[c.Template] }):
		return fmt.Errorf("template %d is not among those of the version's actions", c.Template)
	case c.Count != r.params[c.Template]:
		return fmt.Errorf("template %d has %d parameters, the statement has %d arguments", c.Template, r.params[c.Template], c.Count)
	}
	return nil
}
