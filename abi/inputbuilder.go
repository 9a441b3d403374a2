package abi

import (
	"errors"
	"math"
	"strconv"
)

// ErrInputFull is returned by InputBuilder.Add when the frame would pass its limit. The
// frame is as it was before.
var ErrInputFull = errors.New("input frame is full")

// InputRecord is what a host knows of one item of a version's statemap.
type InputRecord struct {
	Version   uint64
	Safepoint uint64
	Time      int64 // nanoseconds since the Unix epoch
	XID       string
	Cohort    string
	Agent     string
	Action    string
	Payload   []byte // one JSON value, as on the topic
	ItemIndex uint32 // place in the statemap
	ItemCount uint32 // items of the statemap
	Flags     uint32 // RecFlagFirst, RecFlagLast
}

// inputEntry is a record of the frame that is being built; references are into the blob.
type inputEntry struct {
	version, safepoint          uint64
	time                        int64
	refs                        [7]Ref // in the order of the layout, from RecXID on
	firstToken, tokenCount      uint32
	blobAt                      int // length of the blob before this record
	itemIndex, itemCount, flags uint32
	cohortText, agentText       string
}

// The places of a record's references in inputEntry.refs.
const (
	refXID = iota
	refCohort
	refAgent
	refAction
	refPayload
	refVersionText
	refSafepointText
)

// InputBuilder assembles an input frame. It keeps its buffers from frame to frame and is
// for one goroutine at a time. The zero value is ready: with tokens and the contract's limit.
type InputBuilder struct {
	entries []inputEntry
	tape    tape
	plain   bool
	limit   int
	padding int
}

// Reset empties the builder. Without tokens the payloads are neither read nor checked:
// for guests whose manifest asks for JSON. A limit of 0 means MaxInput.
func (b *InputBuilder) Reset(tokens bool, limit int) {
	b.entries = b.entries[:0]
	b.tape.tokens = b.tape.tokens[:0]
	b.tape.blob = b.tape.blob[:0]
	b.plain = !tokens
	b.limit = limit
}

// Pad makes all rows longer than this revision's by so many bytes, a multiple of 8, and the
// header too: what a later revision may do. It is for tests of what steps by stride.
func (b *InputBuilder) Pad(bytes int) { b.padding = bytes }

// Records returns how many records the frame holds.
func (b *InputBuilder) Records() int { return len(b.entries) }

// Truncate drops all records from the n-th on, so that a host can take back the first
// records of a version whose later ones do not fit.
func (b *InputBuilder) Truncate(n int) {
	if n >= len(b.entries) {
		return
	}
	b.tape.tokens = b.tape.tokens[:b.entries[n].firstToken]
	b.tape.blob = b.tape.blob[:b.entries[n].blobAt]
	b.entries = b.entries[:n]
}

// MarkLast sets RecFlagLast on the record that was added last: which one it is shows only
// when a version has no more.
func (b *InputBuilder) MarkLast() { b.entries[len(b.entries)-1].flags |= RecFlagLast }

// Size returns the length of the frame.
func (b *InputBuilder) Size() int {
	return b.header() + len(b.entries)*b.record() + len(b.tape.tokens)*b.token() + len(b.tape.blob)
}

func (b *InputBuilder) header() int { return InHeaderSize + b.padding }
func (b *InputBuilder) record() int { return RecStride + b.padding }
func (b *InputBuilder) token() int  { return TokStride + b.padding }

func (b *InputBuilder) max() int {
	if b.limit <= 0 || b.limit > MaxInput {
		return MaxInput
	}
	return b.limit
}

// Add appends a record. It returns a *SyntaxError when the payload is no JSON value that a
// guest may see and ErrInputFull when there is no room; both leave the frame as it was.
func (b *InputBuilder) Add(r *InputRecord) error {
	tokens, blob := len(b.tape.tokens), len(b.tape.blob)
	err := b.add(r)
	if err != nil {
		b.tape.tokens, b.tape.blob = b.tape.tokens[:tokens], b.tape.blob[:blob]
	}
	return err
}

func (b *InputBuilder) add(r *InputRecord) error {
	if len(b.entries) == MaxRecords || b.Size()+len(r.Payload)+len(r.Action)+b.record() > b.max() {
		return ErrInputFull
	}
	e := inputEntry{
		version: r.Version, safepoint: r.Safepoint, time: r.Time,
		firstToken: uint32(len(b.tape.tokens)), blobAt: len(b.tape.blob),
		itemIndex: r.ItemIndex, itemCount: r.ItemCount, flags: r.Flags & (RecFlagFirst | RecFlagLast),
		cohortText: r.Cohort, agentText: r.Agent,
	}
	b.names(&e, r)
	e.refs[refAction] = b.put(r.Action)
	e.refs[refPayload] = Ref{uint32(len(b.tape.blob)), uint32(len(r.Payload))}
	b.tape.blob = append(b.tape.blob, r.Payload...)
	if !b.plain {
		if err := b.tape.read(r.Payload, e.refs[refPayload].Offset); err != nil {
			return err
		}
	}
	e.tokenCount = uint32(len(b.tape.tokens)) - e.firstToken
	if b.Size()+b.record() > b.max() {
		return ErrInputFull
	}
	b.entries = append(b.entries, e)
	return nil
}

// names places what the records of one version share, and mostly also those of a batch,
// once.
func (b *InputBuilder) names(e *inputEntry, r *InputRecord) {
	var last *inputEntry
	if n := len(b.entries); n > 0 {
		last = &b.entries[n-1]
	}
	if last != nil && last.version == e.version {
		e.refs[refXID], e.refs[refVersionText] = last.refs[refXID], last.refs[refVersionText]
	} else {
		e.refs[refXID] = b.put(r.XID)
		e.refs[refVersionText] = b.decimal(e.version)
	}
	if last != nil && last.safepoint == e.safepoint {
		e.refs[refSafepointText] = last.refs[refSafepointText]
	} else {
		e.refs[refSafepointText] = b.decimal(e.safepoint)
	}
	e.refs[refCohort] = b.again(r.Cohort, last, refCohort)
	e.refs[refAgent] = b.again(r.Agent, last, refAgent)
}

// again places text unless the record before has the same at the same place.
func (b *InputBuilder) again(text string, last *inputEntry, which int) Ref {
	if last != nil {
		before := last.cohortText
		if which == refAgent {
			before = last.agentText
		}
		if before == text {
			return last.refs[which]
		}
	}
	return b.put(text)
}

func (b *InputBuilder) put(s string) Ref {
	ref := Ref{uint32(len(b.tape.blob)), uint32(len(s))}
	b.tape.blob = append(b.tape.blob, s...)
	return ref
}

func (b *InputBuilder) decimal(n uint64) Ref {
	at := len(b.tape.blob)
	b.tape.blob = strconv.AppendUint(b.tape.blob, n, 10)
	return Ref{uint32(at), uint32(len(b.tape.blob) - at)}
}

// Write puts the frame at the beginning of dst, which must hold Size bytes; it returns
// false, and writes nothing, if it does not.
func (b *InputBuilder) Write(dst []byte) bool {
	size := b.Size()
	if size > len(dst) || size > math.MaxUint32 {
		return false
	}
	header, record, token := b.header(), b.record(), b.token()
	tokens := header + len(b.entries)*record
	blob := uint32(tokens + len(b.tape.tokens)*token)
	if b.padding > 0 {
		clear(dst[:blob])
	}
	putHeader(dst, MagicInput, uint16(header), uint32(size))
	putTable(dst, InRecordCount, len(b.entries), uint32(record), uint32(header))
	putTable(dst, InTokenCount, len(b.tape.tokens), uint32(token), uint32(tokens))
	putRef(dst, InBlobOffset, Ref{blob, uint32(len(b.tape.blob))})
	for i := range b.entries {
		at := header + i*record
		b.entries[i].write(dst[at:at+RecStride], blob)
	}
	for i := range b.tape.tokens {
		at := tokens + i*token
		b.tape.tokens[i].write(dst[at:at+TokStride], blob)
	}
	copy(dst[blob:], b.tape.blob)
	return true
}

func putHeader(h []byte, magic uint32, headerSize uint16, total uint32) {
	le.PutUint32(h[HeaderMagic:], magic)
	le.PutUint16(h[HeaderRevision:], Revision)
	le.PutUint16(h[HeaderSize:], headerSize)
	le.PutUint32(h[HeaderTotal:], total)
	le.PutUint32(h[HeaderReserved:], 0)
}

func putTable(h []byte, at, count int, stride, offset uint32) {
	le.PutUint32(h[at:], uint32(count))
	le.PutUint32(h[at+4:], stride)
	le.PutUint32(h[at+8:], offset)
}

func (e *inputEntry) write(d []byte, blob uint32) {
	le.PutUint64(d[RecVersion:], e.version)
	le.PutUint64(d[RecSafepoint:], e.safepoint)
	le.PutUint64(d[RecTime:], uint64(e.time))
	for i, r := range e.refs {
		putRef(d, RecXID+8*i, Ref{r.Offset + blob, r.Length})
	}
	le.PutUint32(d[RecFirstToken:], e.firstToken)
	le.PutUint32(d[RecTokenCount:], e.tokenCount)
	le.PutUint32(d[RecItemIndex:], e.itemIndex)
	le.PutUint32(d[RecItemCount:], e.itemCount)
	le.PutUint32(d[RecFlags:], e.flags)
	le.PutUint32(d[RecReserved:], 0)
}

func (t *Token) write(d []byte, blob uint32) {
	d[TokType], d[TokFlags] = byte(t.Type), t.Flags
	le.PutUint16(d[TokReserved:], 0)
	key := t.Key
	if key != (Ref{}) {
		key.Offset += blob
	}
	putRef(d, TokKey, key)
	putRef(d, TokValue, Ref{t.Value.Offset + blob, t.Value.Length})
	le.PutUint32(d[TokNext:], t.Next)
}
