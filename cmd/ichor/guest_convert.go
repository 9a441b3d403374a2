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

// converted is what one version became.
type converted struct {
	Version    uint64      `json:"version"`
	Status     string      `json:"status"`
	Class      string      `json:"class,omitempty"`
	Code       uint32      `json:"code,omitempty"`
	Message    string      `json:"message,omitempty"`
	Statements []statement `json:"statements,omitempty"`
}

// statement is one of them: what is given to the database.
type statement struct {
	Template uint32    `json:"template"`
	Name     string    `json:"name"`
	SQL      string    `json:"sql"`
	Params   []string  `json:"params"`
	Values   []*string `json:"values"` // nil is null
}

// errRejected is how convert ends when a version was rejected.
var errRejected = errors.New("not every statemap was converted; see above")

// Run implements the verb.
func (c *guestConvertCommand) Run(ctx context.Context) error {
	m, err := c.read()
	if err != nil {
		return err
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
	all, rejected := make([]converted, len(records)), false
	for i := range all {
		all[i] = describeConversion(g, &into.Results[i])
		rejected = rejected || into.Results[i].Status == guest.Rejected
	}
	if err := c.answer(map[string]any{"versions": all, "fuel": into.Fuel}, func() { printConversions(all) }); err != nil {
		return err
	}
	if rejected {
		return errRejected
	}
	return nil
}

func describeConversion(g *guest.Generation, r *guest.Conversion) converted {
	c := converted{Version: uint64(r.Version), Status: r.Status.String()}
	if r.Reject != nil {
		c.Class, c.Code, c.Message = string(r.Reject.Class), r.Reject.Code, r.Reject.Message
	}
	for _, s := range r.Statements {
		t := g.Manifest().Template(s.Template)
		one := statement{Template: s.Template, Name: t.Name, SQL: t.SQL, Params: t.Params, Values: make([]*string, len(s.Args))}
		for i, arg := range s.Args {
			if arg != nil {
				text := string(arg)
				one.Values[i] = &text
			}
		}
		c.Statements = append(c.Statements, one)
	}
	return c
}

func printConversions(all []converted) {
	for _, c := range all {
		fmt.Printf("version %d: %s", c.Version, c.Status)
		if c.Message != "" {
			fmt.Printf(", %s %d: %s", c.Class, c.Code, c.Message)
		}
		fmt.Println()
		for _, s := range c.Statements {
			fmt.Printf("  %s\n%s\n", s.Name, indented(s.SQL, "    "))
			for i, value := range s.Values {
				text := "null"
				if value != nil {
					text = fmt.Sprintf("%q", *value)
				}
				fmt.Printf("    $%d %s = %s\n", i+1, s.Params[i], text)
			}
		}
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
		return nil, errors.New(`no statemap was given: try echo '[{"ACTION": {}}]' | ichor guest convert`)
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
