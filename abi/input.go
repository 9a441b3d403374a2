package abi

// Input is an input frame. Headers are checked when it is opened; references when they are
// read, by Go's own bounds, or all at once by Check.
type Input struct {
	frame   []byte
	records table
	tokens  table
}

// OpenInput checks the header of an input frame.
func OpenInput(frame []byte) (Input, error) {
	frame, err := checkHeader(frame, "input", MagicInput, InHeaderSize)
	if err != nil {
		return Input{}, err
	}
	in := Input{frame: frame}
	if in.records, err = checkTable(frame, "input", "record", InRecordCount, RecStride, 8); err != nil {
		return Input{}, err
	}
	if in.tokens, err = checkTable(frame, "input", "token", InTokenCount, TokStride, 8); err != nil {
		return Input{}, err
	}
	if getRef(frame, InBlobOffset).end() > uint64(len(frame)) {
		return Input{}, badHeader("input", "blob length", "ends behind the frame")
	}
	return in, nil
}

// Check makes the full bounds pass over every record and token: what a conformance test,
// or a guest that trusts nobody, wants.
func (in *Input) Check() error {
	for i := range in.records.count {
		row := in.records.row(in.frame, i)
		for at := RecXID; at <= RecSafepointText; at += 8 {
			if getRef(row, at).end() > uint64(len(in.frame)) {
				return badRow("input", "record", i, "reference ends behind the frame")
			}
		}
		if uint64(le.Uint32(row[RecFirstToken:]))+uint64(le.Uint32(row[RecTokenCount:])) > uint64(in.tokens.count) {
			return badRow("input", "record", i, "tokens end behind the table")
		}
		if le.Uint32(row[RecFlags:])&^(RecFlagFirst|RecFlagLast) != 0 || le.Uint32(row[RecReserved:]) != 0 {
			return badRow("input", "record", i, "reserved bits are not zero")
		}
		if err := in.checkTokens(in.Record(i)); err != nil {
			return err
		}
	}
	return nil
}

func (in *Input) checkTokens(r Record) error {
	for i := range r.TokenCount() {
		t := r.Token(i)
		switch {
		case t.Key.end() > uint64(len(in.frame)) || t.Value.end() > uint64(len(in.frame)):
			return badRow("input", "token", i, "reference ends behind the frame")
		case t.Next <= uint32(i) || t.Next > uint32(r.TokenCount()):
			return badRow("input", "token", i, "next does not move on")
		case t.Type < TokenNull || t.Type > TokenObject:
			return badRow("input", "token", i, "unknown type")
		case t.Type == TokenString && !r.holdsJSON(&t):
			return badRow("input", "token", i, "its JSON lies outside of the frame")
		}
	}
	return nil
}

// Len returns the number of records.
func (in *Input) Len() int { return in.records.count }

// Bytes returns the bytes that a reference names; they are the frame's own.
func (in *Input) Bytes(r Ref) []byte { return in.frame[r.Offset : uint64(r.Offset)+uint64(r.Length)] }

// Record returns the i-th record.
func (in *Input) Record(i int) (r Record) {
	at := in.records.offset + i*in.records.stride
	r.frame = in.frame
	r.row = (*[RecStride]byte)(in.frame[at:])
	first, count := le.Uint32(r.row[RecFirstToken:]), le.Uint32(r.row[RecTokenCount:])
	from := in.tokens.offset + int(first)*in.tokens.stride
	r.tokens = in.frame[from : from+int(count)*in.tokens.stride]
	r.stride = in.tokens.stride
	return r
}

// Record is one record of an input frame.
type Record struct {
	frame  []byte
	row    *[RecStride]byte
	tokens []byte // the record's own rows
	stride int    // of tokens
}

// Version returns the candidate's version.
func (r *Record) Version() uint64 { return le.Uint64(r.row[RecVersion:]) }

// Safepoint returns the decision's safepoint.
func (r *Record) Safepoint() uint64 { return le.Uint64(r.row[RecSafepoint:]) }

// Time returns the candidate's time in nanoseconds since the Unix epoch.
func (r *Record) Time() int64 { return int64(le.Uint64(r.row[RecTime:])) }

// XID returns where the candidate's xid stands.
func (r *Record) XID() Ref { return getRef(r.row[:], RecXID) }

// Cohort returns where the candidate's cohort stands.
func (r *Record) Cohort() Ref { return getRef(r.row[:], RecCohort) }

// Agent returns where the candidate's agent stands.
func (r *Record) Agent() Ref { return getRef(r.row[:], RecAgent) }

// Action returns where the item's action stands.
func (r *Record) Action() Ref { return getRef(r.row[:], RecAction) }

// Payload returns where the item's payload stands: JSON, as on the topic.
func (r *Record) Payload() Ref { return getRef(r.row[:], RecPayload) }

// VersionText returns where the version stands in decimal.
func (r *Record) VersionText() Ref { return getRef(r.row[:], RecVersionText) }

// SafepointText returns where the safepoint stands in decimal.
func (r *Record) SafepointText() Ref { return getRef(r.row[:], RecSafepointText) }

// ItemIndex returns the item's place in its statemap.
func (r *Record) ItemIndex() int { return int(le.Uint32(r.row[RecItemIndex:])) }

// ItemCount returns how many items the statemap has.
func (r *Record) ItemCount() int { return int(le.Uint32(r.row[RecItemCount:])) }

// First reports whether the record is the first of its version in this frame.
func (r *Record) First() bool { return le.Uint32(r.row[RecFlags:])&RecFlagFirst != 0 }

// Last reports whether the record is the last of its version in this frame.
func (r *Record) Last() bool { return le.Uint32(r.row[RecFlags:])&RecFlagLast != 0 }

// TokenCount returns how many tokens the payload has; none when the guest asked for JSON.
func (r *Record) TokenCount() int { return int(le.Uint32(r.row[RecTokenCount:])) }

// Row is one token as it stands in the frame, read a field at a time.
type Row [TokStride]byte

// Type returns the token's kind.
func (t *Row) Type() TokenType { return TokenType(t[TokType]) }

// Key returns where the token's key stands.
func (t *Row) Key() Ref { return Ref{le.Uint32(t[TokKey:]), le.Uint32(t[TokKey+4:])} }

// Value returns where the token's text stands.
func (t *Row) Value() Ref { return Ref{le.Uint32(t[TokValue:]), le.Uint32(t[TokValue+4:])} }

// Next returns the index of the token behind this one and all that it contains.
func (t *Row) Next() int { return int(le.Uint32(t[TokNext:])) }

// Token returns the i-th token of the record's payload, read whole. Token 0 is the payload
// itself.
func (r *Record) Token(i int) Token {
	row := (*Row)(r.tokens[i*r.stride:])
	return Token{Type: row.Type(), Flags: row[TokFlags], Key: row.Key(), Value: row.Value(), Next: uint32(row.Next())}
}

// JSON returns where a token's value stands as it does in the payload: a string with its
// quotes and escapes.
func (r *Record) JSON(t *Token) Ref {
	switch {
	case t.Type != TokenString:
		return t.Value
	case t.Flags&TokFlagValueUnescaped == 0:
		return Ref{t.Value.Offset - 1, t.Value.Length + 2}
	}
	head := r.frame[t.Value.Offset-copyHead:]
	return Ref{t.Value.Offset - le.Uint32(head), le.Uint32(head[4:])}
}

// holdsJSON reports whether JSON may be asked for a string.
func (r *Record) holdsJSON(t *Token) bool {
	if t.Flags&TokFlagValueUnescaped == 0 {
		return t.Value.Offset > 0 && t.Value.end() < uint64(len(r.frame))
	}
	if t.Value.Offset < copyHead {
		return false
	}
	return le.Uint32(r.frame[t.Value.Offset-copyHead:]) <= t.Value.Offset && r.JSON(t).end() <= uint64(len(r.frame))
}

// Bytes returns the bytes that a reference of this record names.
func (r *Record) Bytes(ref Ref) []byte {
	return r.frame[ref.Offset : uint64(ref.Offset)+uint64(ref.Length)]
}
