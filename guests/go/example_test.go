package guest_test

import (
	"fmt"

	guest "github.com/ichor-replicator/ichor/guests/go"
	"github.com/ichor-replicator/ichor/guests/go/guesttest"
)

// greeter declares its one statement; at run time it only names it and brings values.
const greeter = `{
	"name": "greeter", "version": "1.0.0", "input": "tokens", "unknown_action": "reject",
	"actions": [{"name": "GREET", "templates": [1]}],
	"templates": [{
		"id": 1, "name": "greet", "params": ["text", "bigint"], "writes": ["greetings"], "guard": "version",
		"sql": "insert into greetings (name, version) values ($1::text, $2::bigint)"
	}]
}`

// A guest is a manifest and a function from the items of a version to statements. What it gives
// is shown here as a test of it would see it: without a host, through the real frames.
func ExampleNew() {
	program := guest.New(greeter, func(v guest.Version, out *guest.Statements) error {
		for i := range v.Len() {
			name := v.Item(i).Payload().Field("name")
			if !name.IsString() {
				return guest.Reject(1, "item %d: name is not a string", i)
			}
			out.Exec(1, name.Arg(), v.Arg())
		}
		return nil
	})
	lines, err := guesttest.Lines(program,
		[]guesttest.Item{{Action: "GREET", Payload: `{"name": "Ann"}`}, {Action: "GREET", Payload: `{"name": "Bob"}`}},
		[]guesttest.Item{{Action: "GREET", Payload: `{"name": 7}`}},
	)
	if err != nil {
		fmt.Println(err)
	}
	for _, line := range lines {
		fmt.Println(line)
	}
	// Output:
	// ok greet("Ann", "42") greet("Bob", "42")
	// reject 1 item 0: name is not a string
}

// Skip says that a version has nothing to install, on purpose.
func ExampleSkip() {
	program := guest.New(greeter, func(v guest.Version, out *guest.Statements) error {
		if v.Item(0).Payload().Field("quiet").Exists() {
			return guest.Skip
		}
		out.Exec(1, v.Item(0).Payload().Field("name").Arg(), v.Arg())
		return nil
	})
	lines, err := guesttest.Lines(program,
		[]guesttest.Item{{Action: "GREET", Payload: `{"name": "Ann", "quiet": true}`}},
		[]guesttest.Item{{Action: "GREET", Payload: `{"name": "Ann"}`}},
	)
	fmt.Println(lines, err)
	// Output: [skip ok greet("Ann", "43")] <nil>
}
