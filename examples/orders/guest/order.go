package main

import (
	"fmt"

	"github.com/ichor-replicator/ichor/abi"
	guest "github.com/ichor-replicator/ichor/guests/go"
)

// order reads the item of an order. The first fault that it finds is kept, and rejects the version:
// what is read and made after it is dropped with it.
type order struct {
	version guest.Version
	item    guest.Item
	out     *guest.Statements
	id      guest.Value

	fault *fault
	where string // the field that has it
}

// begin reads what every item has, and reports whether it is an order that no item before it has.
// seen are those orders; it is nil where there is one item.
func (o *order) begin(seen map[string]bool) bool {
	if o.item.Payload().Type() != abi.TokenObject {
		o.fail("the payload", noObject)
		return false
	}
	if o.id = o.field("order", uuid); o.fault != nil || seen == nil {
		return o.fault == nil
	}
	id := string(o.id.Text())
	if seen[id] {
		o.fail("order", repeated)
	}
	seen[id] = true
	return o.fault == nil
}

// fail keeps a fault unless there is one.
func (o *order) fail(where string, f *fault) {
	if o.fault == nil {
		o.where, o.fault = where, f
	}
}

// rejection returns the reject of the fault.
func (o *order) rejection() error {
	return guest.Reject(o.fault.code, "item %d, %s: %s %s", o.item.Index(), o.item.Action(), o.where, o.fault.what)
}

// field returns a field of the payload, which the check must pass.
func (o *order) field(name string, check func(guest.Value) *fault) guest.Value {
	v := o.item.Payload().Field(name)
	if f := check(v); f != nil {
		o.fail(name, f)
	}
	return v
}

// tags returns a list of texts as an array of the database.
func (o *order) tags() guest.Arg {
	array, n := []byte{'{'}, 0
	for _, tag := range o.field("tags", list).Members {
		if f := anyText(tag); f != nil {
			o.fail(fmt.Sprintf("tags[%d]", n), f)
		}
		if n++; n > 1 {
			array = append(array, ',')
		}
		array = quoted(array, tag.Text())
	}
	return guest.Bytes(append(array, '}'))
}

// quoted appends text to an array of the database: inside quotes only the quote and the backslash mean
// something.
func quoted(array, text []byte) []byte {
	array = append(array, '"')
	for _, c := range text {
		if c == '"' || c == '\\' {
			array = append(array, '\\')
		}
		array = append(array, c)
	}
	return append(array, '"')
}

// details returns any JSON at all. Of a field that is missing it is SQL's null, of null JSON's own.
func (o *order) details() guest.Arg { return o.item.Payload().Field("details").JSONArg() }

// list returns a list of lines, each of which the check must pass.
func (o *order) list(name string, check func(line) (string, *fault)) guest.Value {
	lines, n := o.field(name, list), 0
	for _, v := range lines.Members {
		if part, f := check(line{v}); f != nil {
			o.fail(fmt.Sprintf("%s[%d]%s", name, n, part), f)
		}
		n++
	}
	return lines
}

// line is an element of a list of lines. Its checks return the part that is wrong, and what is.
type line struct{ guest.Value }

// counted wants an article and a quantity.
func (l line) counted() (part string, wrong *fault) {
	if l.Type() != abi.TokenObject {
		return "", noObject
	}
	if wrong = text(l.Field("sku")); wrong != nil {
		return ".sku", wrong
	}
	return ".quantity", units(l.Field("quantity"))
}

// priced wants a price too.
func (l line) priced() (part string, wrong *fault) {
	if part, wrong = l.counted(); wrong != nil {
		return part, wrong
	}
	return ".price", decimal(l.Field("price"))
}
