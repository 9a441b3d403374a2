// Command values is a guest for the host's tests: action T02 puts its payload into table t02, whose
// column has the type that the manifest declares.
package main

import (
	_ "embed"
	"strconv"

	guest "github.com/ichor-replicator/ichor/guests/go"
)

//go:embed manifest.json
var manifest string

var program = guest.New(manifest, convert)

func init() { program.Serve() }

func main() {}

func convert(v guest.Version, out *guest.Statements) error {
	for i := range v.Len() {
		item := v.Item(i)
		number, err := strconv.Atoi(string(item.Action())[1:])
		if err != nil {
			return err
		}
		out.Exec(uint32(number), item.Payload().Arg())
	}
	return nil
}
