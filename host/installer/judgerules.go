package installer

import (
	"context"
	"slices"

	"github.com/ichor-replicator/ichor/host/installer/querytree"
)

// rules judges what the rules of a relation make of a statement.
func (j *judge) rules(ctx context.Context, r *relation, w write) error {
	all, err := j.cat.rules(ctx, r)
	if err != nil {
		return err
	}
	var silent []attached // that take a statement's place and do nothing
	works := 0            // the events for which another rule does something
	for _, rule := range all {
		if rule.Events&w.events == 0 {
			continue
		}
		owner := "rule " + rule.Name + " of " + r.String()
		switch changes := j.changesRows(rule.Tree); {
		case changes:
			works |= rule.Events
		case rule.Instead && !mentionsColumn(j.parse(rule.More)):
			silent = append(silent, rule)
		}
		j.tell("%s runs", owner)
		if err := j.within(ctx, owner, rule.Tree); err != nil {
			return err
		}
		if err := j.within(ctx, "the condition of "+owner, rule.More); err != nil {
			return err
		}
	}
	for _, rule := range silent {
		// A view is written by rules that have conditions, beside one that does nothing: see CREATE RULE.
		if r.Kind == "v" && works&rule.Events != 0 {
			continue
		}
		j.refuse(nil, "drop or disable the rule: the version would count as installed", "rule %s of %s makes the statement do nothing", rule.Name, r)
	}
	return nil
}

// changesRows reports whether one of a rule's actions changes a relation.
func (j *judge) changesRows(actions string) bool {
	return slices.ContainsFunc(j.parse(actions), func(n *querytree.Node) bool {
		command := n.Int("commandType")
		return command >= commandUpdate && command <= commandMerge && !n.Has("utilityStmt")
	})
}

// mentionsColumn reports whether an expression is about a row.
func mentionsColumn(all []*querytree.Node) bool {
	return slices.ContainsFunc(all, func(n *querytree.Node) bool {
		return n.Kind == "VAR" || mentionsColumn(n.Children())
	})
}
