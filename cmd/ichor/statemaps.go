package main

import (
	"bufio"
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
	"github.com/ichor-replicator/ichor/host/talos/recording"
	"github.com/ichor-replicator/ichor/host/verify"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// withStatemaps is the part of the commands that give a module statemaps that someone has.
type withStatemaps struct {
	Statemap string `short:"s" help:"A file of statemaps in JSON, or of candidates as on the topic, or what ichor guest fetch wrote. Without it convert reads the standard input, and bench takes the module's vectors." placeholder:"FILE" type:"path"`
}

// readStatemaps reads values of JSON, one behind the other: a list is a statemap, an object a candidate as on the topic, and they are
// versions from first on. Of a recording it takes what a guest would be given. They are read as the host reads them.
func readStatemaps(ctx context.Context, file string, first uint64) ([]guest.Record, error) {
	if file == "" {
		return statemapsFrom(ctx, os.Stdin, "the standard input", first)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return statemapsFrom(ctx, f, short(file), first)
}

// statemapsFrom reads what readStatemaps does; name is what errors call it.
func statemapsFrom(ctx context.Context, from io.Reader, name string, first uint64) ([]guest.Record, error) {
	buffered := bufio.NewReader(from)
	if head, _ := buffered.Peek(len(recording.Opening)); string(head) == recording.Opening || bytes.HasPrefix(head, []byte(recording.Packed)) {
		return readRecording(ctx, buffered, name)
	}
	decoder := json.NewDecoder(buffered)
	var records []guest.Record
	for {
		var value json.RawMessage
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: statemap %d is no JSON: %w", name, len(records)+1, err)
		}
		r, err := readRecord(value, first+uint64(len(records)))
		if err != nil {
			return nil, fmt.Errorf("%s: statemap %d: %w", name, len(records)+1, err)
		}
		records = append(records, r)
	}
	if len(records) == 0 {
		return nil, fmt.Errorf(`%s has no statemap: name a file of some with --statemap, or try echo '[{"ACTION": {}}]' | ichor guest convert`, name)
	}
	return records, nil
}

// readRecording returns what a guest would be given of a recorded range: the candidates that have a statemap and that the range does
// not say to be aborted. A decision may come behind its end. What the range has beside those is said on the standard error.
func readRecording(ctx context.Context, from io.Reader, name string) ([]guest.Record, error) {
	text, err := io.ReadAll(from) // it is read twice, and may come from a pipe
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	source := verify.File(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil })
	log, err := verify.ReadLog(ctx, source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var records []guest.Record
	undecided := 0
	err = source.Read(ctx, func(r *books.Record) error {
		kind, _ := talos.Classify(r.Header, r.Value)
		version := talos.Version(r.Position)
		is := log.Class(version)
		if kind != talos.CandidateKind || is != books.Installable && is != books.Undecided {
			return nil
		}
		var c talos.Candidate
		if err := talos.DecodeCandidate(version, r.Value, &c); err != nil {
			return err
		}
		safepoint := log.Safepoint(version)
		if is == books.Undecided {
			safepoint = version - 1
		}
		if c.Unreadable == nil && len(c.Items) > 0 { // else it is undecided as yet, and no guest is ever given it
			records = append(records, guest.RecordOf(version, safepoint, &c))
			if is == books.Undecided {
				undecided++
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("%s, %s, has no version that a guest would be given", name, log)
	}
	fmt.Fprintf(os.Stderr, "ichor: %s, %s: %s\n", name, log, beside(log, len(records), undecided))
	return records, nil
}

// beside says what a guest is given of a range, and what of it no guest would be.
func beside(log *books.Log, taken, undecided int) string {
	text := fmt.Sprintf("%d versions for the guest", taken)
	if undecided > 0 {
		text += fmt.Sprintf(", %d of them undecided as yet", undecided)
	}
	counts := map[books.Class]int{}
	for _, is := range log.All {
		counts[is]++
	}
	for _, class := range books.Classes {
		n := counts[class]
		if class == books.Undecided {
			n -= undecided
		}
		if class != books.Installable && n > 0 {
			text += fmt.Sprintf("; %d %s", n, class)
		}
	}
	return text
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
	return guest.RecordOf(c.Version, c.Version-1, &c), nil
}
