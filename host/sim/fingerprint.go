package sim

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"unsafe"
)

// fingerprint sums up everything that can be reached from the values that it is given, their unexported
// fields included, so that two with one sum go on alike. What a pointer leads to is added once; met again,
// the pointer counts as how many others were met before it.
//
// An instant counts as its distance from now: two hosts that came to the same at different times go on alike.
type fingerprint struct {
	plans plans
	sum   uint64
	now   int64 // ns
	met   map[place]uint64

	hosts [2]uint64    // which of the two comes first, by their numbers
	owns  []*ownership // theirs, where they own or owned the cohort
	lane  rowKey       // the row of the lane that is added, or the state's
	at    *server      // whose rows claims count from
}

// place is what a pointer leads to: a struct and its first field have one address.
type place struct {
	at unsafe.Pointer
	of *plan
}

// plans say how a value of each type is added.
type plans map[reflect.Type]*plan

type plan struct {
	add func(f *fingerprint, at unsafe.Pointer)
}

// idle are the fields that decide nothing: counts, what is kept to be used again, what was returned already, and
// what only a world that does not explore reads. The random half of a back-off is one: an exploration lets a deadline
// come when nothing else is left, whenever it is.
var idle = map[string]bool{
	"replicator.step.stats": true, "replicator.step.out": true, "replicator.step.jitter": true, "replicator.Options.Seed": true,
	"queue.Queue.tooLow": true, "queue.Queue.keyWaits": true, "queue.conflicts.spare": true, "queue.Entry.Journey": true,
	"sim.host.skew": true, "sim.host.starts": true, "sim.host.asks": true, "sim.host.number": true, "sim.lane.deadline": true, "sim.reader.asks": true,
}

// instant is what lies between instants and all other numbers: the clocks of an exploration are years after 1970.
const instant = int64(years) / 2

func (f *fingerprint) mix(numbers ...uint64) { f.sum = mix(f.sum, numbers...) }

// meet reports whether something was met before, and adds the pointer to it.
func (f *fingerprint) meet(p place) (again bool) {
	n, again := f.met[p]
	if !again {
		n = uint64(len(f.met)) + 1
		f.met[p] = n
	}
	f.mix(n)
	return again
}

// of returns the plan for a type, and makes it if need be.
func (p plans) of(t reflect.Type) *plan {
	known := p[t]
	if known == nil {
		known = &plan{}
		p[t] = known // before it is made: what t points to may lead back to t
		known.add = p.adder(t)
	}
	return known
}

func (p plans) adder(t reflect.Type) func(f *fingerprint, at unsafe.Pointer) {
	switch t {
	case reflect.TypeFor[epoch](), reflect.TypeFor[token](), reflect.TypeFor[timeline](): // see standing
		return func(*fingerprint, unsafe.Pointer) {}
	case reflect.TypeFor[claim]():
		return func(f *fingerprint, at unsafe.Pointer) {
			if c := *(*claim)(at); c != 0 { // without a connection there is none
				f.mix(1, f.claim(c, f.lane))
				return
			}
			f.mix(0)
		}
	case reflect.TypeFor[lane]():
		fields := p.fields(t)
		return func(f *fingerprint, at unsafe.Pointer) {
			l, before := (*lane)(at), f.at
			if f.lane = laneKey(l.number); l.conn != nil {
				f.at = l.conn.server
			}
			fields(f, at)
			f.lane, f.at = stateKey, before
		}
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Uint8:
		return func(f *fingerprint, at unsafe.Pointer) { f.mix(uint64(*(*uint8)(at))) }
	case reflect.Int8:
		return func(f *fingerprint, at unsafe.Pointer) { f.mix(uint64(*(*int8)(at))) }
	case reflect.Int32, reflect.Uint32:
		return func(f *fingerprint, at unsafe.Pointer) { f.mix(uint64(*(*uint32)(at))) }
	case reflect.Uint, reflect.Uint64, reflect.Float64:
		return func(f *fingerprint, at unsafe.Pointer) { f.mix(*(*uint64)(at)) }
	case reflect.Int, reflect.Int64:
		return func(f *fingerprint, at unsafe.Pointer) {
			n := *(*int64)(at)
			if n > instant {
				n -= f.now
			}
			f.mix(uint64(n))
		}
	case reflect.String:
		return func(f *fingerprint, at unsafe.Pointer) { f.sum = mixText(f.sum, *(*string)(at)) }
	case reflect.Pointer:
		return p.pointer(t)
	case reflect.Interface:
		return p.dynamic(t)
	case reflect.Slice:
		return p.slice(t)
	case reflect.Map:
		return p.mapping(t)
	case reflect.Struct:
		if strings.HasPrefix(t.String(), "ring.Ring[") {
			return p.ring(t)
		}
		return p.fields(t)
	default:
		panic("a " + t.String() + " has no sum")
	}
}

func (p plans) pointer(t reflect.Type) func(f *fingerprint, at unsafe.Pointer) {
	if short := shortly[t]; short != nil {
		return func(f *fingerprint, at unsafe.Pointer) {
			if to := *(*unsafe.Pointer)(at); to != nil {
				short(f, to)
				return
			}
			f.mix(0)
		}
	}
	to := p.of(t.Elem())
	return func(f *fingerprint, at unsafe.Pointer) {
		switch target := *(*unsafe.Pointer)(at); {
		case target == nil:
			f.mix(0)
		case !f.meet(place{target, to}):
			to.add(f, target)
		}
	}
}

// dynamic adds what an interface holds, which is always a pointer here.
func (p plans) dynamic(t reflect.Type) func(f *fingerprint, at unsafe.Pointer) {
	return func(f *fingerprint, at unsafe.Pointer) {
		v := reflect.NewAt(t, at).Elem().Elem()
		if !v.IsValid() {
			f.mix(0)
			return
		}
		f.sum = mixText(f.sum, v.Type().String())
		to := v.UnsafePointer()
		p.of(v.Type()).add(f, unsafe.Pointer(&to))
	}
}

func (p plans) slice(t reflect.Type) func(f *fingerprint, at unsafe.Pointer) {
	element, size := p.of(t.Elem()), t.Elem().Size()
	return func(f *fingerprint, at unsafe.Pointer) {
		s := *(*[]byte)(at) // its length is that of the slice, whatever it holds
		f.mix(uint64(len(s)))
		for i := range s {
			element.add(f, unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), uintptr(i)*size))
		}
	}
}

// ring adds what a ring holds, wherever that lies in its array.
func (p plans) ring(t reflect.Type) func(f *fingerprint, at unsafe.Pointer) {
	slots, _ := t.FieldByName("slots")
	front, _ := t.FieldByName("front")
	n, _ := t.FieldByName("n")
	element, size := p.of(slots.Type.Elem()), slots.Type.Elem().Size()
	return func(f *fingerprint, at unsafe.Pointer) {
		all, first := *(*[]byte)(unsafe.Add(at, slots.Offset)), *(*int)(unsafe.Add(at, front.Offset))
		count := *(*int)(unsafe.Add(at, n.Offset))
		f.mix(uint64(count))
		for i := range count {
			element.add(f, unsafe.Add(unsafe.Pointer(unsafe.SliceData(all)), uintptr((first+i)&(len(all)-1))*size))
		}
	}
}

// mapping adds a map by its keys, ascending.
func (p plans) mapping(t reflect.Type) func(f *fingerprint, at unsafe.Pointer) {
	element := p.of(t.Elem())
	number := func(v reflect.Value) uint64 {
		if v.CanUint() {
			return v.Uint()
		}
		return uint64(v.Int())
	}
	return func(f *fingerprint, at unsafe.Pointer) {
		m := reflect.NewAt(t, at).Elem()
		f.mix(uint64(m.Len()))
		if m.Len() == 0 {
			return
		}
		keys := m.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(number(a), number(b)) })
		value := reflect.New(t.Elem())
		for _, k := range keys {
			f.mix(number(k))
			value.Elem().Set(m.MapIndex(k))
			element.add(f, value.UnsafePointer())
		}
	}
}

func (p plans) fields(t reflect.Type) func(f *fingerprint, at unsafe.Pointer) {
	type field struct {
		offset uintptr
		of     *plan
	}
	var all []field
	for i := range t.NumField() {
		if x := t.Field(i); !idle[t.String()+"."+x.Name] {
			all = append(all, field{x.Offset, p.of(x.Type)})
		}
	}
	return func(f *fingerprint, at unsafe.Pointer) {
		for i := range all {
			all[i].of.add(f, unsafe.Add(at, all[i].offset))
		}
	}
}
