// Package talostest holds certification topics recorded from real agents and the real
// certifier, for the tests of every package and for the demonstration.
package talostest

import (
	"bytes"
	"embed"
	"fmt"

	"github.com/ichor-replicator/ichor/host/talos/recording"
)

//go:embed testdata/*.jsonl.gz
var files embed.FS

// Record is one record of a recorded topic.
type Record = recording.Record

// Header is one header of a record.
type Header = recording.Header

// Small returns 230 records: 66 commits and 49 aborts, some of them traced.
func Small() ([]Record, error) { return read("testdata/small.jsonl.gz") }

// Contention returns 25,598 records of agents that fight over 100 accounts: 40.7 % aborts.
func Contention() ([]Record, error) { return read("testdata/contention.jsonl.gz") }

func read(name string) (records []Record, err error) {
	packed, err := files.ReadFile(name)
	if err == nil {
		err = recording.Read(bytes.NewReader(packed), func(r *Record) error {
			records = append(records, *r)
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read recorded topic %s: %w", name, err)
	}
	return records, nil
}
