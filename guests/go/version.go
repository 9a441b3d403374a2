package guest

import "github.com/ichor-replicator/ichor/abi"

// Version is a committed version: the items of its statemap that this guest converts, in
// their order. There is at least one. It and all that is read from it hold until Convert
// returns.
type Version struct {
	items []record
}

// Len returns the number of items.
func (v Version) Len() int { return len(v.items) }

// Item returns the i-th item.
func (v Version) Item(i int) Item { return Item{&v.items[i]} }

// Number returns the version.
func (v Version) Number() uint64 { return le.Uint64(v.items[0].row[abi.RecVersion:]) }

// Time returns the candidate's time in nanoseconds since the Unix epoch. There is no other
// clock: the one of the language stands still at this time too.
func (v Version) Time() int64 { return int64(le.Uint64(v.items[0].row[abi.RecTime:])) }

// Safepoint returns the version that had to be installed before this one.
func (v Version) Safepoint() uint64 { return le.Uint64(v.items[0].row[abi.RecSafepoint:]) }

// Arg returns the version as a value, in decimal.
func (v Version) Arg() Arg { return v.items[0].arg(abi.RecVersionText) }

// SafepointArg returns the safepoint as a value, in decimal.
func (v Version) SafepointArg() Arg { return v.items[0].arg(abi.RecSafepointText) }

// XID returns the candidate's xid as a value.
func (v Version) XID() Arg { return v.items[0].arg(abi.RecXID) }

// Cohort returns the candidate's cohort.
func (v Version) Cohort() []byte { return v.items[0].bytes(abi.RecCohort) }

// Agent returns the candidate's agent.
func (v Version) Agent() []byte { return v.items[0].bytes(abi.RecAgent) }

// Item is one action with its payload.
type Item struct {
	record *record
}

// Action returns the item's action.
func (i Item) Action() []byte { return i.record.bytes(abi.RecAction) }

// Index returns the item's place in its statemap.
func (i Item) Index() int { return int(le.Uint32(i.record.row[abi.RecItemIndex:])) }

// JSON returns the payload as it stands on the topic, for guests that bring a reader of
// their own.
func (i Item) JSON() []byte { return i.record.bytes(abi.RecPayload) }

// JSONArg returns the payload as a value, for a parameter of type json, jsonb or text.
func (i Item) JSONArg() Arg { return i.record.arg(abi.RecPayload) }

// Payload returns the payload as a value to walk; it needs "input": "tokens".
func (i Item) Payload() Value {
	if le.Uint32(i.record.row[abi.RecTokenCount:]) == 0 {
		return Value{}
	}
	return Value{i.record, i.record.token(0)}
}
