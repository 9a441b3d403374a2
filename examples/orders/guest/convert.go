package main

import (
	guest "github.com/ichor-replicator/ichor/guests/go"
)

// The templates of manifest.json.
const (
	placeOrder    = 1
	changeOrder   = 2
	setStatus     = 3
	setLines      = 4
	countSold     = 5
	countReturned = 6
)

// convert makes the statements of each item: of its order, of the order's lines, and of the counter.
//
// A statement about an order or its lines is guarded by "version < $n". A second one of the same
// version on the same row would find its own version there and do nothing, so an order may stand in
// one item of a version only.
//
// The lines are one statement, however many they are: they go to the database as the JSON that they
// are, which takes it apart. Nothing is copied here. A line that a later version took away has no row
// that could guard it, so lines are written only where their order has this very version.
//
// The counter has no guard. Many orders count the same article, and a row that knew its last version
// alone could not tell which of them it has seen.
func convert(v guest.Version, out *guest.Statements) error {
	var seen map[string]bool
	if v.Len() > 1 {
		seen = make(map[string]bool, v.Len())
	}
	for i := range v.Len() {
		o := order{version: v, item: v.Item(i), out: out}
		if o.begin(seen) {
			o.convert()
		}
		if o.fault != nil {
			return o.rejection()
		}
	}
	return nil
}

func (o *order) convert() {
	switch string(o.item.Action()) {
	case "PLACE_ORDER":
		o.place()
	case "CHANGE_ORDER":
		o.change()
	case "PAY_ORDER":
		o.status("paid")
	case "SHIP_ORDER":
		o.status("shipped")
	case "CANCEL_ORDER":
		o.status("cancelled")
		o.takeBack()
	}
}

// place writes a new order with its lines.
func (o *order) place() {
	customer, at, total := o.field("customer", text), o.field("at", moment), o.field("total", decimal)
	o.out.Exec(placeOrder, o.id.Arg(), customer.Arg(), at.Arg(), total.Arg(), o.tags(), o.details(), o.version.Arg())
	o.lines()
}

// change replaces the lines of an order and what follows from them. Its statemap says what it takes
// back, for a guest does not know what was there before.
func (o *order) change() {
	total := o.field("total", decimal)
	o.out.Exec(changeOrder, o.id.Arg(), total.Arg(), o.tags(), o.details(), o.version.Arg())
	o.lines()
	o.takeBack()
}

// status gives an order a status. Its remark is null where there is none.
func (o *order) status(status string) {
	at, remark := o.field("at", moment), o.field("remark", textOrNull)
	o.out.Exec(setStatus, o.id.Arg(), guest.String(status), at.Arg(), remark.Arg(), o.version.Arg())
}

// lines replaces the lines of an order, and counts them as sold.
func (o *order) lines() {
	lines := o.list("lines", line.priced)
	o.out.Exec(setLines, o.id.Arg(), lines.JSONArg(), o.version.Arg())
	o.out.Exec(countSold, lines.JSONArg())
}

// takeBack counts what is sold no more.
func (o *order) takeBack() {
	o.out.Exec(countReturned, o.list("returned", line.counted).JSONArg())
}
