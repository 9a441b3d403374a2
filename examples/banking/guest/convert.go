package main

import (
	"bytes"

	guest "github.com/ichor-replicator/ichor/guests/go"
)

// The templates of manifest.json.
const (
	transfer = 1
	deposit  = 2
	withdraw = 3
	several  = 4
)

// convert makes one statement of a version, always.
//
// Every statement is guarded by "version < $n", so that a version which the cohort's
// initiator has installed already changes nothing. The guard also hides a version from
// itself: a second statement of the same version that touches the same account would find
// the row at this very version and do nothing, and "version <= $n" instead would install
// the initiator's work twice. So all items of a version become one statement, which sees
// each row once: one item its own template, several items the template that sums the
// changes of each account in the database, where numeric is exact.
func convert(v guest.Version, out *guest.Statements) error {
	if v.Len() > 1 {
		return convertSeveral(v, out)
	}
	var m movement
	if err := m.read(v.Item(0)); err != nil {
		return err
	}
	switch m.action {
	case transfer:
		out.Exec(transfer, m.from.Arg(), m.to.Arg(), m.amount.Arg(), v.Arg())
	case deposit:
		out.Exec(deposit, m.to.Arg(), m.amount.Arg(), v.Arg())
	case withdraw:
		out.Exec(withdraw, m.from.Arg(), m.amount.Arg(), v.Arg())
	}
	return nil
}

func convertSeveral(v guest.Version, out *guest.Statements) error {
	var m movement
	numbers, amounts := []byte{'{'}, []byte{'{'}
	for i := range v.Len() {
		if err := m.read(v.Item(i)); err != nil {
			return err
		}
		if m.from.Exists() {
			numbers = element(numbers, m.from.Text())
			amounts = negated(amounts, m.amount.Text())
		}
		if m.to.Exists() {
			numbers = element(numbers, m.to.Text())
			amounts = append(comma(amounts), m.amount.Text()...)
		}
	}
	out.Exec(several, guest.Bytes(append(numbers, '}')), guest.Bytes(append(amounts, '}')), v.Arg())
	return nil
}

func comma(list []byte) []byte {
	if len(list) > 1 {
		return append(list, ',')
	}
	return list
}

// element appends text to a PostgreSQL array, quoted: inside quotes only the quote and the
// backslash mean something.
func element(list, text []byte) []byte {
	list = append(comma(list), '"')
	for _, c := range text {
		if c == '"' || c == '\\' {
			list = append(list, '\\')
		}
		list = append(list, c)
	}
	return append(list, '"')
}

// negated appends a decimal with its sign turned.
func negated(list, decimal []byte) []byte {
	list = comma(list)
	if positive, ok := bytes.CutPrefix(decimal, []byte{'-'}); ok {
		return append(list, positive...)
	}
	return append(append(list, '-'), decimal...)
}
