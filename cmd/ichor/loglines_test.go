package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestALogThatNobodyReadsHoldsNobodyUp: what logs goes on, and the log says how many lines it lacks.
func TestALogThatNobodyReadsHoldsNobodyUp(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		reader, writer := io.Pipe()
		log, end, err := newLogLines(logSettings{Level: "info", Format: format}, writer)
		if err != nil {
			t.Fatal(err)
		}
		const lines = 3 * linesMost
		for n := range lines {
			log.Info("a line", "n", n)
		}
		var all bytes.Buffer
		read := make(chan error)
		go func() {
			_, err := io.Copy(&all, reader)
			read <- err
		}()
		end()
		if err := writer.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-read; err != nil {
			t.Fatal(err)
		}
		got, lost := strings.Count(all.String(), "a line"), 0
		_, after, said := strings.Cut(all.String(), "lines of the log were dropped: it was not read fast enough")
		if _, err := fmt.Sscanf(strings.TrimLeft(after, `" ,:lines=`), "%d", &lost); err != nil || !said || got+lost != lines || got < linesMost {
			t.Errorf("%s: %d lines came and %d are said to be lost, of %d: %v\n%.300s", format, got, lost, lines, err, after)
		}
	}
}

// TestTheLogIsWholeAtTheEnd: nothing that was logged before it ended is missing.
func TestTheLogIsWholeAtTheEnd(t *testing.T) {
	var all bytes.Buffer
	log, end, err := newLogLines(logSettings{Level: "info", Format: "text"}, &all)
	if err != nil {
		t.Fatal(err)
	}
	const lines = linesMost / 2
	for n := range lines {
		log.Info("a line", "n", n)
	}
	end()
	if got := strings.Count(all.String(), "\n"); got != lines {
		t.Errorf("%d lines of %d", got, lines)
	}
}
