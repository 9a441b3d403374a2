// Package querytree reads the query trees that PostgreSQL keeps in its catalogue: bodies of
// SQL functions, views, rules, defaults, constraints. It reads the text that a column of type
// pg_node_tree becomes, of PostgreSQL 14 to 18.
//
// The trees are those after parsing and before rewriting: each function, operator, type and
// relation stands there by its number, overloads and attribute notation are resolved, and
// coercions are written out. The package knows the kinds of node and their fields and refuses
// any other by name, so that what a later PostgreSQL adds is refused until somebody has looked
// at it. It asks no database: what a number means is its caller's to find out.
package querytree

import (
	"fmt"
	"strconv"
	"strings"
)

// deepest bounds how far nodes are nested, beyond what a statement of 64 KiB is made of.
const deepest = 20_000

// OID is the number of an object in the catalogue; 0 is none.
type OID uint32

// Node is one node of a tree.
type Node struct {
	Kind   string // as PostgreSQL writes it, in capitals
	names  []string
	fields map[string][]any // each value is nil, a *Node, a list ([]any), or a word (string)
}

// An UnknownError is a node, or a field of one, that this package has not been taught.
type UnknownError struct{ What string }

// Error implements error.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("the query tree has %s, which is not known here", e.What)
}

// Parse reads the text of a tree and returns its outermost nodes. The error is an
// *UnknownError if a node or a field is not known, another if the text is no tree.
func Parse(text string) ([]*Node, error) {
	r := &reader{text: text}
	v, err := r.value(r.token())
	if err != nil {
		return nil, err
	}
	if rest := r.token(); rest != "" {
		return nil, fmt.Errorf("read a query tree: %q follows its end", rest)
	}
	return nodes(v), nil
}

// nodes returns the nodes of a value, lists within lists laid flat.
func nodes(v any) []*Node {
	switch v := v.(type) {
	case *Node:
		return []*Node{v}
	case []any:
		var all []*Node
		for _, item := range v {
			all = append(all, nodes(item)...)
		}
		return all
	}
	return nil
}

// reader follows the reader of PostgreSQL's own (pg_strtok and nodeRead).
type reader struct {
	text  string
	at    int
	depth int
}

// token returns the next token, or "" at the end: a bracket, or what stands between spaces and
// brackets, with its backslashes.
func (r *reader) token() string {
	for r.at < len(r.text) && strings.IndexByte(" \n\t", r.text[r.at]) >= 0 {
		r.at++
	}
	from := r.at
	for r.at < len(r.text) && strings.IndexByte(" \n\t(){}", r.text[r.at]) < 0 {
		if r.text[r.at] == '\\' && r.at+1 < len(r.text) {
			r.at++
		}
		r.at++
	}
	if r.at == from && r.at < len(r.text) {
		r.at++
	}
	return r.text[from:r.at]
}

func (r *reader) value(token string) (any, error) {
	if r.depth++; r.depth > deepest {
		return nil, fmt.Errorf("read a query tree: it is nested more than %d deep", deepest)
	}
	defer func() { r.depth-- }()
	switch token {
	case "":
		return nil, fmt.Errorf("read a query tree: it ends early")
	case ")", "}":
		return nil, fmt.Errorf("read a query tree: %q at byte %d", token, r.at)
	case "<>":
		return nil, nil
	case "(":
		return r.list()
	case "{":
		return r.node()
	}
	return token, nil
}

func (r *reader) list() (any, error) {
	all := []any{}
	for {
		token := r.token()
		if token == ")" {
			return all, nil
		}
		v, err := r.value(token)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
}

// node reads a node behind its bracket. The token behind a field's name is its value, even if
// it begins with a colon, as the name of a column may.
func (r *reader) node() (any, error) {
	n := &Node{Kind: r.token(), fields: map[string][]any{}}
	known, found := kinds[n.Kind]
	if !found {
		return nil, &UnknownError{"a node " + n.Kind}
	}
	token := r.token()
	for token != "}" {
		name, ok := strings.CutPrefix(token, ":")
		if !ok {
			return nil, fmt.Errorf("read a query tree: %q in %s, want a field", token, n.Kind)
		}
		if !known[name] {
			return nil, &UnknownError{"a field " + name + " in a node " + n.Kind}
		}
		n.names = append(n.names, name)
		for first := true; ; first = false {
			token = r.token()
			if !first && (token == "}" || strings.HasPrefix(token, ":")) {
				break
			}
			v, err := r.value(token)
			if err != nil {
				return nil, err
			}
			n.fields[name] = append(n.fields[name], v)
		}
	}
	return n, nil
}

// Nodes returns the nodes of a field, in order; lists within lists are laid flat.
func (n *Node) Nodes(field string) []*Node { return nodes(n.fields[field]) }

// Node returns the node of a field, or nil.
func (n *Node) Node(field string) *Node {
	if all := n.Nodes(field); len(all) > 0 {
		return all[0]
	}
	return nil
}

// Children returns the nodes of all fields, in order.
func (n *Node) Children() []*Node {
	var all []*Node
	for _, name := range n.names {
		all = append(all, n.Nodes(name)...)
	}
	return all
}

// Lists returns the nodes of a field that is a list of lists.
func (n *Node) Lists(field string) [][]*Node {
	var all [][]*Node
	for _, v := range n.fields[field] {
		outer, _ := v.([]any)
		for _, inner := range outer {
			all = append(all, nodes(inner))
		}
	}
	return all
}

// word returns a field that is one word, as it is written.
func (n *Node) word(field string) string {
	if v := n.fields[field]; len(v) == 1 {
		s, _ := v[0].(string)
		return s
	}
	return ""
}

// Text returns a field that is a text, "" if it has none.
func (n *Node) Text(field string) string {
	word, text := n.word(field), strings.Builder{}
	for i := 0; i < len(word); i++ {
		if word[i] == '\\' && i+1 < len(word) {
			i++
		}
		text.WriteByte(word[i])
	}
	return text.String()
}

// Int returns a field that is a number; 0 if it is none.
func (n *Node) Int(field string) int {
	i, err := strconv.ParseInt(n.word(field), 10, 64)
	if err != nil {
		return 0
	}
	return int(i)
}

// OID returns a field that is a number of the catalogue's.
func (n *Node) OID(field string) OID { return OID(n.Int(field)) }

// OIDs returns a field that is a list of them.
func (n *Node) OIDs(field string) []OID {
	var all []OID
	for _, v := range n.fields[field] {
		list, _ := v.([]any)
		for _, item := range list {
			word, _ := item.(string)
			if i, err := strconv.ParseUint(word, 10, 32); err == nil { // the first says what list it is
				all = append(all, OID(i))
			}
		}
	}
	return all
}

// Ints returns a field that is a list of numbers, which may be negative.
func (n *Node) Ints(field string) []int {
	var all []int
	for _, v := range n.fields[field] {
		list, _ := v.([]any)
		for _, item := range list {
			word, _ := item.(string)
			if i, err := strconv.Atoi(word); err == nil { // the first says what list it is
				all = append(all, i)
			}
		}
	}
	return all
}

// Has reports whether a field is there and true, or is not null.
func (n *Node) Has(field string) bool {
	v := n.fields[field]
	return len(v) > 0 && v[0] != nil && v[0] != "false"
}

// Location returns where the node stands in the text that was parsed, in bytes, or -1.
func (n *Node) Location() int {
	if n.word("location") == "" {
		return -1
	}
	return n.Int("location")
}

// Bytes returns the value of a constant: a length, and then the bytes, each as a number that
// may be negative. The bytes of a value that is passed by value are those of a machine word.
func (n *Node) Bytes() []byte {
	var all []byte
	for _, v := range n.fields["constvalue"] {
		word, _ := v.(string)
		if i, err := strconv.Atoi(word); err == nil {
			all = append(all, byte(i))
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[1:]
}
