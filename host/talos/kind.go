package talos

// Kind is what a record of the certification topic is by its headers alone.
type Kind uint8

// The kinds. A record is Malformed when it says nothing that can be understood, and Foreign
// when it names a message type that is not of this protocol.
const (
	Malformed Kind = iota
	Foreign
	CandidateKind
	DecisionKind
)

// String returns the kind as metrics name it.
func (k Kind) String() string {
	switch k {
	case Foreign:
		return "foreign"
	case CandidateKind:
		return "candidate"
	case DecisionKind:
		return "decision"
	default:
		return "malformed"
	}
}

// MessageType is the name of the header that tells candidates from decisions.
const MessageType = "messageType"

// Reasons of a record that is neither candidate nor decision, for metrics.
const (
	ReasonMissingMessageType = "missing_message_type"
	ReasonUnknownMessageType = "unknown_message_type"
	ReasonEmptyValue         = "empty_value"
)

// Classify tells what a record is. The function header returns the value of the last header
// of that name whose value is not null, and nil when there is none; an empty value that is
// present must not be nil. The reason is empty for candidates and decisions.
func Classify(header func(name string) []byte, value []byte) (kind Kind, reason string) {
	switch name := header(MessageType); {
	case name == nil:
		return Malformed, ReasonMissingMessageType
	case string(name) == "Candidate":
		kind = CandidateKind
	case string(name) == "Decision":
		kind = DecisionKind
	default:
		return Foreign, ReasonUnknownMessageType
	}
	if len(value) == 0 {
		return Malformed, ReasonEmptyValue
	}
	return kind, ""
}
