package guest

import "github.com/ichor-replicator/ichor/abi"

// Version is a committed version: the items of its statemap that this guest converts, in
// their order. There is at least one. It and all that is read from it hold until Convert
// returns.
type Version struct {
	items []abi.Record
}

// Len returns the number of items.
func (v Version) Len() int { return len(v.items) }

// Item returns the i-th item.
func (v Version) Item(i int) Item { return Item{&v.items[i]} }

// Number returns the version.
func (v Version) Number() uint64 { return v.items[0].Version() }

// Time returns the candidate's time in nanoseconds since the Unix epoch. There is no other
// clock: the one of the language stands still at this time too.
func (v Version) Time() int64 { return v.items[0].Time() }

// Safepoint returns the version that had to be installed before this one.
func (v Version) Safepoint() uint64 { return v.items[0].Safepoint() }

func (v Version) arg(r abi.Ref) Arg { return input(v.items[0].Frame(), r) }

// Arg returns the version as a value, in decimal.
func (v Version) Arg() Arg { return v.arg(v.items[0].VersionText()) }

// SafepointArg returns the safepoint as a value, in decimal.
func (v Version) SafepointArg() Arg { return v.arg(v.items[0].SafepointText()) }

// XID returns the candidate's xid as a value.
func (v Version) XID() Arg { return v.arg(v.items[0].XID()) }

// Cohort returns the candidate's cohort.
func (v Version) Cohort() []byte { return v.items[0].Bytes(v.items[0].Cohort()) }

// Agent returns the candidate's agent.
func (v Version) Agent() []byte { return v.items[0].Bytes(v.items[0].Agent()) }

// Item is one action with its payload.
type Item struct {
	record *abi.Record
}

// Action returns the item's action.
func (i Item) Action() []byte { return i.record.Bytes(i.record.Action()) }

// Index returns the item's place in its statemap.
func (i Item) Index() int { return i.record.ItemIndex() }

// JSON returns the payload as it stands on the topic, for guests that bring a reader of
// their own.
func (i Item) JSON() []byte { return i.record.Bytes(i.record.Payload()) }

// JSONArg returns the payload as a value, for a parameter of type json, jsonb or text.
func (i Item) JSONArg() Arg { return input(i.record.Frame(), i.record.Payload()) }

// Payload returns the payload as a value to walk; it needs "input": "tokens".
func (i Item) Payload() Value {
	if i.record.TokenCount() == 0 {
		return Value{}
	}
	return Value{i.record, 0}
}
