package main

import (
	"github.com/ichor-replicator/ichor/abi"
	guest "github.com/ichor-replicator/ichor/guests/go"
)

// Codes of rejects. They are stable: quarantine rows and metrics carry them.
const (
	codeMissing = 1 // a field is missing
	codeType    = 2 // a field, or the payload, is of the wrong type
	codeValue   = 3 // a field has a value that cannot be right
	codeAction  = 4 // the action is not one of ours
)

// movement is what an item asks for. A deposit has no from, a withdrawal no to.
type movement struct {
	action   uint32 // the template of a single one
	from, to guest.Value
	amount   guest.Value
}

// read fills m from an item; a pointer, since in WebAssembly a copy of it is a call.
func (m *movement) read(item guest.Item) error {
	p := item.Payload()
	m.from, m.to, m.amount = guest.Value{}, guest.Value{}, p.Field("amount")
	from, to := "from", "to"
	switch string(item.Action()) {
	case "TRANSFER":
		m.action, m.from, m.to = transfer, p.Field(from), p.Field(to)
	case "DEPOSIT":
		m.action = deposit
		m.to, to = either(p, "account", "to")
	case "WITHDRAW":
		m.action = withdraw
		m.from, from = either(p, "account", "from")
	default:
		return guest.Reject(codeAction, "item %d: unknown action %q", item.Index(), item.Action())
	}
	if p.Type() != abi.TokenObject {
		return wrong(item, codeType, "the payload", "is not an object")
	}
	if m.action != deposit {
		if err := account(item, from, m.from); err != nil {
			return err
		}
	}
	if m.action != withdraw {
		if err := account(item, to, m.to); err != nil {
			return err
		}
	}
	return decimal(item, m.amount)
}

// either returns the field of the first name, or of the second if there is no first.
func either(p guest.Value, first, second string) (guest.Value, string) {
	if v := p.Field(first); v.Exists() {
		return v, first
	}
	if v := p.Field(second); v.Exists() {
		return v, second
	}
	return guest.Value{}, first
}

func account(item guest.Item, field string, v guest.Value) error {
	switch {
	case !v.Exists():
		return wrong(item, codeMissing, field, "is missing")
	case !v.IsString():
		return wrong(item, codeType, field, "is not a string")
	case len(v.Text()) == 0:
		return wrong(item, codeValue, field, "is empty")
	}
	return nil
}

// decimal accepts a JSON number, or a string that is one. Its text goes to the database as
// it is: neither digits nor size are lost to a float on the way.
func decimal(item guest.Item, v guest.Value) error {
	switch {
	case !v.Exists():
		return wrong(item, codeMissing, "amount", "is missing")
	case v.IsNumber():
		return nil
	case !v.IsString():
		return wrong(item, codeType, "amount", "is neither a number nor a string")
	case !abi.IsNumber(v.Text()):
		return wrong(item, codeValue, "amount", "is not a decimal number")
	}
	return nil
}

func wrong(item guest.Item, code uint32, field, what string) error {
	return guest.Reject(code, "item %d, %s: %s %s", item.Index(), item.Action(), field, what)
}
