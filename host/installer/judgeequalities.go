package installer

import "github.com/ichor-replicator/ichor/host/installer/querytree"

// collect finds the comparisons that hold in every match: those of the condition and of joins. That
// of an outer join says nothing of the side whose rows all stay.
func (m *matches) collect(from *querytree.Node) {
	var within map[int]bool
	if from.Kind == "JOINEXPR" {
		switch from.Int("jointype") {
		case joinInner:
		case joinLeft:
			within = entriesOf(from.Nodes("rarg"))
		case joinRight:
			within = entriesOf(from.Nodes("larg"))
		default:
			within = map[int]bool{}
		}
	}
	m.compared(from.Nodes("quals"), within)
	for _, part := range []string{"fromlist", "larg", "rarg"} {
		for _, item := range from.Nodes(part) {
			m.collect(item)
		}
	}
}

// entriesOf returns the entries of a part of a FROM clause.
func entriesOf(from []*querytree.Node) map[int]bool {
	all := map[int]bool{}
	for _, n := range from {
		all[n.Int("rtindex")] = true
		for entry := range entriesOf(append(n.Nodes("larg"), n.Nodes("rarg")...)) {
			all[entry] = true
		}
	}
	return all
}

// compared finds the comparisons in conditions that all must hold.
func (m *matches) compared(quals []*querytree.Node, within map[int]bool) {
	for _, q := range quals {
		if q.Kind == "BOOLEXPR" && q.Text("boolop") == "and" {
			m.compared(q.Nodes("args"), within)
		}
		if classes := m.j.identity.classes[q]; q.Kind == "OPEXPR" && len(q.Nodes("args")) == 2 && len(classes) > 0 {
			m.equalities = append(m.equalities, equality{q.Nodes("args")[0], q.Nodes("args")[1], within, classes, q.OID("opno") >= firstOwn})
		}
	}
}
