package talos

import "slices"

// DecodeCandidate decodes the value of the candidate at offset version into into, whose former
// contents are lost. It returns a *Refused exactly where the certifier's parser refuses the
// candidate or its store cannot hold it; into is then of no use. A statemap that the certifier
// accepts and that has no meaning is no error: into.Unreadable says so.
//
// A candidate that touches very many keys (maxKeys) has none: it conflicts with all others.
//
// The value is kept and aliased, and must not be written to afterwards. Any bytes may be
// given; neither their size nor their nesting can exhaust the stack. It may be called from
// any goroutine.
func DecodeCandidate(version Version, value []byte, into *Candidate) error {
	*into = Candidate{Version: version, Value: value}
	r := candidateReader{into: into}
	r.text = value
	for name := range r.fields() {
		if !r.read(name) {
			break
		}
	}
	if !r.end() || !r.complete() {
		return r.refused
	}
	if r.manyKeys {
		into.ReadSet, into.WriteSet = nil, nil
	}
	if r.notes.unreadable != nil {
		into.Items, into.Unreadable = nil, r.notes.unreadable
	}
	return nil
}

// candidateReader is the state of decoding one candidate.
type candidateReader struct {
	scanner
	into  *Candidate
	seen  fieldSet
	notes notes
	keys  [16]string // where the elements of a set are collected before they are copied
	// manyKeys says that a set has more than are kept.
	manyKeys bool
}

// fieldSet holds a bit for each known field that was read.
type fieldSet uint16

const (
	hasXID fieldSet = 1 << iota
	hasAgent
	hasCohort
	hasReadSet
	hasReadVers
	hasSnapshot
	hasWriteSet
	hasMetadata
	hasStatemap
	hasCertificationStartedAt
	hasRequestCreatedAt
	hasPublishedAt
)

// requiredFields are the fields whose absence the certifier's parser refuses, in the order
// in which their absence is reported.
var requiredFields = [...]struct {
	bit  fieldSet
	name string
}{
	{hasXID, "xid"},
	{hasAgent, "agent"},
	{hasCohort, "cohort"},
	{hasReadSet, "readset"},
	{hasReadVers, "readvers"},
	{hasSnapshot, "snapshot"},
	{hasWriteSet, "writeset"},
	{hasPublishedAt, "publishedAt"},
}

// complete checks what can only be known at the end.
func (r *candidateReader) complete() bool {
	for _, f := range requiredFields {
		if r.seen&f.bit == 0 {
			r.field = f.name
			return r.refuse(ReasonMissingField, len(r.text))
		}
	}
	return true
}

// read reads the value of one field of the candidate.
func (r *candidateReader) read(name string) bool {
	switch name {
	case "xid":
		return r.once(hasXID, "xid") && r.xid()
	case "agent":
		return r.once(hasAgent, "agent") && r.readText(&r.into.Agent)
	case "cohort":
		return r.once(hasCohort, "cohort") && r.readText(&r.into.Cohort)
	case "readset":
		return r.once(hasReadSet, "readset") && r.readSet(&r.into.ReadSet)
	case "readvers":
		return r.once(hasReadVers, "readvers") && r.readVers()
	case "snapshot":
		return r.once(hasSnapshot, "snapshot") && r.readUint64(&r.into.Snapshot)
	case "writeset":
		return r.once(hasWriteSet, "writeset") && r.readSet(&r.into.WriteSet)
	case "metadata":
		return r.once(hasMetadata, "metadata") && r.metadata()
	case "statemap":
		return r.statemap()
	case "certificationStartedAt":
		return r.once(hasCertificationStartedAt, "certificationStartedAt") && r.readTime(&r.into.CertificationStartedAt)
	case "requestCreatedAt":
		return r.once(hasRequestCreatedAt, "requestCreatedAt") && r.readTime(&r.into.RequestCreatedAt)
	case "publishedAt":
		return r.once(hasPublishedAt, "publishedAt") && r.readTime(&r.into.PublishedAt)
	}
	return r.skip(1, nil)
}

// once notes that a known field is read and refuses the second of a name.
func (r *candidateReader) once(bit fieldSet, name string) bool {
	r.field = name
	if r.seen&bit != 0 {
		return r.refuse(ReasonRepeatedField, r.at)
	}
	r.seen |= bit
	return true
}

func (r *candidateReader) xid() bool {
	r.peek()
	start := r.at
	if !r.readText(&r.into.XID) {
		return false
	}
	return isUUID(r.into.XID) || r.refuse(ReasonInvalidXID, start)
}

// maxKeys bounds what a set takes in memory: a record of 100 kB can unpack to tens of millions. Of a
// candidate with more different ones no keys are kept: then it conflicts with all others.
const maxKeys = 1 << 17

// readSet reads a list of strings, copied once into a list of its length. Of a long one, what is repeated
// may be left out.
func (r *candidateReader) readSet(into *[]string) bool {
	keys := r.keys[:0]
	for range r.elements() {
		var key string
		if !r.readText(&key) {
			return false
		}
		if len(keys) == maxKeys {
			slices.Sort(keys)
			keys = slices.Compact(keys)
			r.manyKeys = r.manyKeys || len(keys) > maxKeys/2
		}
		if r.manyKeys {
			keys = nil
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) > 0 {
		*into = make([]string, len(keys))
		copy(*into, keys)
	}
	return r.refused == nil
}

// readVers passes over a list of versions: the certifier needs them, nobody else does.
func (r *candidateReader) readVers() bool {
	for range r.elements() {
		var version uint64
		if !r.readUint64(&version) {
			return false
		}
	}
	return r.refused == nil
}

// metadata passes over an object of strings, or null.
func (r *candidateReader) metadata() bool {
	if r.peek() == 'n' {
		return r.literal("null")
	}
	for range r.fields() {
		r.field = "metadata"
		var value string
		if !r.readText(&value) {
			return false
		}
	}
	return r.refused == nil
}
