package kafka

import (
	"fmt"
	"testing"
)

// TestParse reads answers of every version that another library wrote.
func TestParse(t *testing.T) {
	want := partition{code: 3, high: 100, stable: 90, start: 10, aborted: []abortedRange{{producer: 7, first: 20}, {producer: 8, first: 30}}, recordSet: []byte("set")}
	for version := int16(minFetchVersion); version <= maxFetchVersion; version++ {
		frame := makeFrame(version, want)
		got, err := (&answer{version: version, frame: frame}).parse()
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		expected := want
		if version < 5 {
			expected.start = -1
		}
		if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", expected); g != w {
			t.Errorf("version %d: got %s, want %s", version, g, w)
		}
		// Cut anywhere it is an error, never a shorter answer.
		for n := range frame {
			if _, err := (&answer{version: version, frame: frame[:n]}).parse(); err == nil {
				t.Errorf("version %d cut at %d of %d: no error", version, n, len(frame))
			}
		}
	}
}

func TestParseOtherThanAsked(t *testing.T) {
	frame := makeFrame(4, partition{})
	for at, what := range map[int]string{11: "topics", 18: "partitions", 22: "the partition's index"} {
		altered := append([]byte(nil), frame...)
		altered[at] ^= 2
		if _, err := (&answer{version: 4, frame: altered}).parse(); err == nil {
			t.Errorf("altered %s: no error", what)
		}
	}
}
