// Command guest is the orders example's guest: it turns what happens to orders into rows of the
// schema shop. It is built as a WebAssembly reactor; README of guests/ has the command.
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
