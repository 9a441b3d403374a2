package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/talos/recording"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

// fetched runs ichor guest fetch and writes what it prints to a file.
func (d *deployment) fetched(args ...string) (file, said string) {
	d.t.Helper()
	p := d.begin(append([]string{"guest", "fetch", "-c", d.settings}, args...)...)
	code, out := p.wait()
	if code != exitOK {
		d.t.Fatalf("fetch %v ends with %d\n%s", args, code, out)
	}
	said = out[strings.LastIndex(out, "ichor: "):]
	file = filepath.Join(d.t.TempDir(), "range.jsonl")
	if err := os.WriteFile(file, []byte(strings.TrimSuffix(out, said)), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return file, said
}

// A range of the topic is the input of the author's verbs: with the versions that it has there, without those that were aborted,
// and tried on a database one after the other.
func TestARangeOfTheTopicIsTheInputOfTheAuthorsVerbs(t *testing.T) {
	d := deploy(t, 40)
	records, err := talostest.Small()
	d.play(records, err)
	module := moduleFile(t, "banking.wasm", smallGuest(t, 0))
	last := len(records) - 1

	file, said := d.fetched("--records", "1000")
	if want := fmt.Sprintf("ichor: positions 0 to %d: 115 candidates, 115 decisions, 0 others\n", last); said != want {
		t.Errorf("it says %q, want %q", said, want)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	if err := recording.Read(bytes.NewReader(text), func(r *recording.Record) error {
		was := &records[at]
		same := r.Position == was.Position && bytes.Equal(r.Key, was.Key) && bytes.Equal(r.Value, was.Value) && (r.Value == nil) == (was.Value == nil) && r.TimeMillis > 0
		if same = same && len(r.Headers) == len(was.Headers); !same {
			t.Errorf("position %d is %+v, was %+v", at, r, was)
		}
		at++
		return nil
	}); err != nil || at != len(records) {
		t.Fatalf("%d of %d records, %v", at, len(records), err)
	}

	var converted struct {
		Versions []struct {
			Version int    `json:"version"`
			Status  string `json:"status"`
		} `json:"versions"`
	}
	code, out := d.ichor("guest", "convert", module, "-s", file, "--json")
	said, out, _ = strings.Cut(out, "\n")
	if err := json.Unmarshal([]byte(out), &converted); code != exitOK || err != nil || len(converted.Versions) != 66 || converted.Versions[65].Version < 200 {
		t.Fatalf("convert ends with %d, %v, %d versions\n%.2000s", code, err, len(converted.Versions), out)
	}

	if want := fmt.Sprintf("range.jsonl, positions 0 to %d, 230 records: 66 versions for the guest; 48 aborted", last); !strings.HasSuffix(said, want) {
		t.Errorf("convert says %q, want %q", said, want)
	}

	before := d.digest()
	d.tells(exitOK, []string{"guest", "test", module, "-s", file, "--database", d.conn.Config().ConnString()},
		"\n66 versions given: 66 converted, 0 skipped, 0 rejected; ", "\nok      database   66 versions given, one after the other: ", " 0 refused\n")
	if after := d.digest(); after != before {
		t.Error("the database was changed")
	}
	d.exec("alter table bank_accounts add constraint unmoved check (amount = 100000)")
	d.tells(exitRuntime, []string{"guest", "test", module, "-s", file, "--database", d.conn.Config().ConnString()},
		"\nrefused database   version ", `violates check constraint "unmoved"`, "\nrefused database   66 versions given, ", " 0 rows, 66 refused\n")

	part, said := d.fetched("--from", "2", "--to", "5")
	if !strings.HasPrefix(said, "ichor: positions 2 to 5: ") {
		t.Errorf("of a part it says %q", said)
	}
	d.tells(exitOK, []string{"guest", "convert", module, "-s", part}, "version 2: ", "version 5: ", "range.jsonl, positions 2 to 5, 4 records: 4 versions for the guest, 4 of them undecided as yet\n")
	for _, bounds := range []struct {
		args []string
		want string
	}{
		{[]string{"--from", "7", "--records", "5"}, "positions 7 to 11: "}, {[]string{"--to", "11", "--records", "5"}, "positions 7 to 11: "},
		{[]string{"--from", "9", "--records", "9223372036854775807"}, fmt.Sprintf("positions 9 to %d: ", last)}, {[]string{"--records", "5"}, fmt.Sprintf("positions %d to %d: ", last-4, last)},
	} {
		if _, said := d.fetched(bounds.args...); !strings.HasPrefix(said, "ichor: "+bounds.want) {
			t.Errorf("%v: it says %q, want %q", bounds.args, said, bounds.want)
		}
	}
	for _, wrong := range []struct {
		args []string
		says string
	}{
		{[]string{"--from", "9", "--to", "8"}, "--from 9 is behind --to 8, which is the last position of the range"},
		{[]string{"--from", "9", "--to", "100000"}, fmt.Sprintf("the topic has 0 to %d, and not --to 100000", last)},
		{[]string{"--from", "100000"}, fmt.Sprintf("the topic has 0 to %d, and not --from 100000", last)},
		{[]string{"--from", "1", "--to", "8", "--records", "3"}, "two of them say the range"},
		{[]string{"--records", "0"}, "--records is how many positions to take: 1 or more, and not 0"},
	} {
		d.tells(exitSettings, append([]string{"guest", "fetch", "-c", d.settings}, wrong.args...), wrong.says)
	}
}

// What no reader is given, a transaction's marker and the records of one that was aborted, is told from what the log has lost.
func TestAFetchedRangeTellsMarkersFromHoles(t *testing.T) {
	d := deploy(t, 5)
	message := kafkatest.Message{Value: []byte("x"), Headers: []kafkatest.Header{{Name: "messageType", Value: []byte("Other")}}}
	for id, end := range []func(*kafkatest.Transaction, context.Context) error{(*kafkatest.Transaction).Abort, (*kafkatest.Transaction).Commit} {
		tx, err := d.broker.Begin("certification", fmt.Sprint("transaction ", id))
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.Produce(t.Context(), message)
		if err := errors.Join(err, end(tx, t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	d.send("Other", "{}")
	file, _ := d.fetched()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	holes := []kafka.Hole{{From: 11, To: 13}}
	var rest bytes.Buffer
	if err := passedOver(10, 15, holes, &rest); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ text, lines string }{{string(text), "0m 1m 2 3m 4"}, {rest.String(), "10m 13m 14m"}} {
		var lines []string
		if err := recording.Read(strings.NewReader(want.text), func(r *recording.Record) error {
			mark := ""
			if r.Control {
				mark = "m"
			}
			lines = append(lines, fmt.Sprint(r.Position, mark))
			return nil
		}); err != nil || strings.Join(lines, " ") != want.lines {
			t.Errorf("the lines are %v, %v, want %s", lines, err, want.lines)
		}
	}
}
