// Command order is a guest that takes what it finds first in a map: what a version becomes
// depends on the order in which Go goes through it, which is another each time.
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

func convert(v guest.Version, out *guest.Statements) error {
	words := map[string]bool{"one": true, "two": true, "three": true, "four": true, "five": true}
	for word := range words {
		out.Exec(1, guest.String(word), v.Arg())
		return nil
	}
	return guest.Skip
}
