package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/talos"
)

type guestConvertCommand struct {
	withJSON
	withModule
	Statemap string `short:"s" help:"A file of statemaps in JSON, or of candidates as on the topic; else the standard input." placeholder:"FILE" type:"path"`
	First    uint64 `help:"The version of the first one; the others follow it." default:"1" placeholder:"VERSION"`
}

// errRejected is how convert ends when a version was rejected.
var errRejected = errors.New("not every statemap was converted; see above")

// Run implements the verb.
func (c *guestConvertCommand) Run(ctx context.Context) error {
	m, err := c.read()
	if err != nil {
		return err
	}
	if start := bytes.TrimLeft(m.bytes, " \t\r\n"); len(start) > 0 && (start[0] == '[' || start[0] == '{') { // those of a module are \0asm
		return &failure{exitSettings, fmt.Errorf("%s is no module but JSON: statemaps are named with -s, as in ichor guest convert MODULE.wasm -s %[1]s, where the module may be left out in its project", short(m.file))}
	}
	records, err := readStatemaps(c.Statemap, c.First)
	if err != nil {
		return &failure{exitSettings, err}
	}
	g, err := m.load(ctx)
	if err != nil {
		return err
	}
	defer m.close(g)
	var into guest.Conversions
	if err := g.Convert(ctx, records, &into); err != nil {
		return err
	}
	all, rejected := make([]guest.Outcome, len(records)), false
	for i := range all {
		all[i] = into.Results[i].Outcome(g.Manifest())
		rejected = rejected || into.Results[i].Status == guest.Rejected
	}
	if err := c.answer(map[string]any{"versions": all, "fuel": into.Fuel}, func() { printOutcomes(os.Stdout, all) }); err != nil {
		return err
	}
	if rejected {
		return errRejected
	}
	return nil
}

// printOutcomes writes what versions became.
func printOutcomes(w io.Writer, all []guest.Outcome) {
	cleaned(&all)
	for i := range all {
		fmt.Fprintf(w, "version %d: ", all[i].Version)
		printOutcome(w, &all[i])
	}
}

// printOutcome writes the status, and below it the statements.
func printOutcome(w io.Writer, o *guest.Outcome) {
	fmt.Fprint(w, o.Status)
	if o.Message != "" {
		fmt.Fprintf(w, ", %s %d: %s", o.Class, o.Code, o.Message)
	}
	fmt.Fprintln(w)
	if o.Before > 0 {
		fmt.Fprintf(w, "  %d statements come before\n", o.Before)
	}
	for _, s := range o.Statements {
		fmt.Fprintf(w, "  %s\n%s\n", s.Name, indented(s.SQL, "    "))
		for i, value := range s.Values {
			text := "null"
			if value != nil {
				text = fmt.Sprintf("%q", *value)
			}
			fmt.Fprintf(w, "    $%d %s = %s\n", i+1, s.Params[i], text)
		}
	}
	if o.After > 0 {
		fmt.Fprintf(w, "  %d statements come after\n", o.After)
	}
}

// readStatemaps reads values of JSON, one behind the other: a list is a statemap, an object a
// candidate as on the topic. They are read as the host reads them.
func readStatemaps(file string, version uint64) ([]guest.Record, error) {
	var from io.Reader = os.Stdin
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	decoder := json.NewDecoder(from)
	var records []guest.Record
	for {
		var value json.RawMessage
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("statemap %d is no JSON: %w", len(records)+1, err)
		}
		r, err := readRecord(value, version+uint64(len(records)))
		if err != nil {
			return nil, fmt.Errorf("statemap %d: %w", len(records)+1, err)
		}
		records = append(records, r)
	}
	if len(records) == 0 {
		return nil, errors.New(`no statemap was given: name a file with --statemap, or try echo '[{"ACTION": {}}]' | ichor guest convert`)
	}
	return records, nil
}

// readRecord reads a list as a statemap, and an object as a candidate as on the topic.
func readRecord(value []byte, version uint64) (guest.Record, error) {
	statemap := bytes.HasPrefix(value, []byte("["))
	if statemap {
		value = fmt.Appendf(nil, `{"messageType":"CANDIDATE","xid":"00000000-0000-0000-0000-%012d","agent":"agent","cohort":"cohort","readset":[],"readvers":[],"snapshot":0,"writeset":[],"publishedAt":%d,"statemap":%s}`,
			version, time.Now().UnixNano(), value)
	} else if !bytes.HasPrefix(value, []byte("{")) {
		return guest.Record{}, errors.New(`it is neither a statemap, [{"ACTION": {}}], nor a candidate as on the topic, {"xid": …}`)
	}
	var c talos.Candidate
	if err := talos.DecodeCandidate(talos.Version(version), value, &c); err != nil && !statemap {
		return guest.Record{}, fmt.Errorf("brackets forgotten? A statemap is a list, [{…}]; an object is read as a candidate as on the topic, and as such %w", err)
	} else if err != nil {
		return guest.Record{}, err
	}
	if c.Unreadable != nil {
		return guest.Record{}, c.Unreadable
	}
	return guest.Record{
		Version: c.Version, Safepoint: c.Version - 1, Time: c.PublishedAt, XID: c.XID, Cohort: c.Cohort, Agent: c.Agent, Items: c.Items,
	}, nil
}
