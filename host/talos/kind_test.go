package talos

import "testing"

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		header, value []byte
		kind          Kind
		reason        string
	}{
		{[]byte("Candidate"), []byte("{}"), CandidateKind, ""},
		{[]byte("Decision"), []byte("{}"), DecisionKind, ""},
		{[]byte("candidate"), []byte("{}"), Foreign, ReasonUnknownMessageType},
		{[]byte("Heartbeat"), nil, Foreign, ReasonUnknownMessageType},
		{[]byte(""), []byte("{}"), Foreign, ReasonUnknownMessageType},
		{nil, []byte("{}"), Malformed, ReasonMissingMessageType},
		{[]byte("Candidate"), nil, Malformed, ReasonEmptyValue},
		{[]byte("Decision"), []byte{}, Malformed, ReasonEmptyValue},
	} {
		kind, reason := Classify(func(name string) []byte {
			if name != "messageType" {
				t.Errorf("asked for header %q", name)
			}
			return c.header
		}, c.value)
		if kind != c.kind || reason != c.reason {
			t.Errorf("%q with value %q is %v %q, want %v %q", c.header, c.value, kind, reason, c.kind, c.reason)
		}
	}
}

func TestKindsHaveTheirMetricNames(t *testing.T) {
	for kind, want := range map[Kind]string{Malformed: "malformed", Foreign: "foreign", CandidateKind: "candidate", DecisionKind: "decision", 99: "malformed"} {
		if got := kind.String(); got != want {
			t.Errorf("kind %d is %q, want %q", kind, got, want)
		}
	}
}
