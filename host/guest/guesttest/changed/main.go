// Command changed is a guest of the bank with errors in it, one for each account that a transfer comes
// from: its vectors are right, and what it makes of some versions is not.
package main

import (
	"bytes"
	_ "embed"

	guest "github.com/ichor-replicator/ichor/guests/go"
)

//go:embed manifest.json
var manifest string

var program = guest.New(manifest, convert)

func init() { program.Serve() }

func main() {}

// The templates of manifest.json.
const (
	transfer = 1
	deposit  = 2
	withdraw = 3
	renewed  = 5
)

var idle uint64 // so that the work is not left out by the compiler

func convert(v guest.Version, out *guest.Statements) error {
	item := v.Item(0)
	p := item.Payload()
	from, to, amount := p.Field("from"), p.Field("to"), p.Field("amount")
	switch string(item.Action()) {
	case "NOTHING":
		return guest.Skip
	case "DEPOSIT":
		out.Exec(deposit, p.Field("account").Arg(), amount.Arg(), v.Arg())
		return nil
	}
	switch string(from.Text()) {
	case "0005":
		return guest.Reject(7, "account %s is closed", from.Text())
	case "0038":
		panic("account 0038")
	case "0013":
		return guest.Skip
	case "0039": // the same number, written in another way
		whole, _, _ := bytes.Cut(amount.Text(), []byte("."))
		out.Exec(transfer, from.Arg(), to.Arg(), guest.Bytes(whole), v.Arg())
	case "tired": // the same, with much more work
		for i := range uint64(100_000) {
			idle = idle*31 + i
		}
		out.Exec(transfer, from.Arg(), to.Arg(), amount.Arg(), v.Arg())
	case "0016": // ten times as much
		out.Exec(transfer, from.Arg(), to.Arg(), guest.Bytes(append([]byte("1"), amount.Text()...)), v.Arg())
	case "0021":
		out.Exec(withdraw, from.Arg(), amount.Arg(), v.Arg())
		out.Exec(deposit, to.Arg(), amount.Arg(), v.Arg())
	case "0033":
		out.Exec(renewed, from.Arg(), to.Arg(), amount.Arg(), v.Arg())
	default:
		out.Exec(transfer, from.Arg(), to.Arg(), amount.Arg(), v.Arg())
	}
	return nil
}
