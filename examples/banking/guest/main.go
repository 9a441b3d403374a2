// Command guest is the banking example's guest: it turns TRANSFER, DEPOSIT and WITHDRAW
// into updates of bank_accounts. It is built as a WebAssembly reactor; README of guests/
// has the command.
package main

import (
	_ "embed"

	guest "github.com/ichor-replicator/ichor/guests/go"
)

//go:embed manifest.json
var manifest string

var program = guest.New(manifest, convert)

func init() { program.Serve() }

func main() {}
