// Command misbehaving is a guest for the host's tests: its actions are named by what they do,
// and most of that is no good.
package main

import (
	"crypto/rand"
	_ "embed"
	"fmt"
	"os"
	"strings"
	"time"

	guest "github.com/ichor-replicator/ichor/guests/go"
)

//go:embed manifest.json
var manifest string

var program = guest.New(manifest, convert)

func init() { program.Serve() }

func main() {}

// The templates of manifest.json: with one and with three parameters.
const (
	one   = 1
	three = 3
	none  = 9 // not in the manifest
)

var (
	calls int
	kept  [][]byte
)

func convert(v guest.Version, out *guest.Statements) error {
	for i := range v.Len() {
		if err := deed(v, v.Item(i), out); err != nil {
			return err
		}
	}
	return nil
}

func deed(v guest.Version, item guest.Item, out *guest.Statements) error {
	p := item.Payload()
	switch string(item.Action()) {
	case "ECHO":
		out.Exec(one, p.Arg())
	case "THREE":
		from, to, amount := p.Field("from").Arg(), p.Field("to").Arg(), p.Field("amount").Arg()
		out.Exec(three, from, amount, v.Arg())
		out.Exec(three, to, amount, v.Arg())
		out.Exec(three, from, to, v.Arg())
	case "NULL":
		out.Exec(one, guest.Null())
	case "SKIP":
		return guest.Skip
	case "REJECT":
		return guest.Reject(77, "no: %s", p.Text())
	case "ERROR":
		return fmt.Errorf("an error of no kind")
	case "COUNT":
		calls++
		out.Exec(one, guest.Int(int64(calls)))
	case "CLOCK":
		out.Exec(one, guest.String(time.Now().UTC().Format(time.RFC3339Nano)))
	case "RANDOM":
		out.Exec(one, guest.String(rand.Text()))
	default:
		return misdeed(p, string(item.Action()), out)
	}
	return nil
}

func misdeed(p guest.Value, action string, out *guest.Statements) error {
	switch action {
	case "PANIC":
		panic("on purpose: " + string(p.Text()))
	case "EXIT":
		os.Exit(3)
	case "SLEEP":
		time.Sleep(time.Hour)
	case "GROW":
		for {
			kept = append(kept, make([]byte, 1<<20))
		}
	case "KEEP":
		kept = append(kept, make([]byte, 12<<20))
	case "LOG":
		for i := range 300 {
			fmt.Printf("line %d \x1b[31m%s\n", i, strings.Repeat("x", 4000))
		}
	case "UNDECLARED":
		out.Exec(none, guest.Null())
	case "FOREIGN":
		out.Exec(three, guest.Null(), guest.Null(), guest.Null())
	case "FEW":
		out.Exec(one)
	case "FLOOD":
		for range 1000 {
			out.Exec(one, guest.Null())
		}
	}
	return nil
}
