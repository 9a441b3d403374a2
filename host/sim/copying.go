package sim

import (
	"maps"
	"reflect"
	"unsafe"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// copier makes a copy of a world that goes on by itself: what a pointer leads to is copied once, and every pointer to it, or to a
// part of it, leads to that copy.
//
// A statement that was sent stays as it is. So do the functions of statements: what they hold of the world in which they were
// made must not change any more once it is copied, and of the world in which they run they are told by their transaction.
type copier struct {
	plans map[reflect.Type]*copying
	made  map[part]unsafe.Pointer
	links []part // pointers in the copy that lead to what may lie in something else, which is copied first
}

// part is what a pointer leads to: a struct and its first field have one address.
type part struct {
	at unsafe.Pointer
	of *copying
}

// copying says how to copy a value of a type. The value is there already, bit by bit; repair puts copies in the places of what it
// leads to. It is nil where there is nothing to repair.
type copying struct {
	of     reflect.Type
	repair func(c *copier, at unsafe.Pointer)
	within []inner // structs in it, and in those
	led    bool    // a pointer may lead to it
	lies   bool    // it may lie in a struct or an array
}

// inner is a struct in another.
type inner struct {
	offset uintptr
	of     *copying
}

// lasting is what is the same in each copy, because it does not change: the log and what comes of it, what was sent, and what was
// committed.
var lasting = map[reflect.Type]bool{
	reflect.TypeFor[*history](): true, reflect.TypeFor[*truth](): true, reflect.TypeFor[*candidate](): true, reflect.TypeFor[*talos.Candidate](): true,
	reflect.TypeFor[*replicator.Decision](): true, reflect.TypeFor[*work](): true, reflect.TypeFor[[]talos.Key](): true, reflect.TypeFor[[]statement](): true,
}

func newCopier() copier {
	return copier{plans: map[reflect.Type]*copying{}, made: map[part]unsafe.Pointer{}}
}

// copyOf returns a copy of a world.
func (c *copier) copyOf(w *world) *world {
	clear(c.made)
	made := (*world)(c.target(c.plan(reflect.TypeFor[world]()), unsafe.Pointer(w)))
	for len(c.links) > 0 {
		last := c.links[len(c.links)-1]
		c.links = c.links[:len(c.links)-1]
		p := (*unsafe.Pointer)(last.at)
		*p = c.target(last.of, *p)
	}
	return made
}

// target returns the copy of what a pointer leads to, and makes it if need be.
func (c *copier) target(of *copying, at unsafe.Pointer) unsafe.Pointer {
	if made, known := c.made[part{at, of}]; known {
		return made
	}
	made := reflect.New(of.of)
	made.Elem().Set(reflect.NewAt(of.of, at).Elem())
	to := made.UnsafePointer()
	c.meet(of, at, to)
	if of.repair != nil {
		of.repair(c, to)
	}
	return to
}

// meet notes where a struct and those in it have their copies.
func (c *copier) meet(of *copying, at, to unsafe.Pointer) {
	c.made[part{at, of}] = to
	for i := range of.within {
		if !of.within[i].of.led {
			continue
		}
		c.made[part{unsafe.Add(at, of.within[i].offset), of.within[i].of}] = unsafe.Add(to, of.within[i].offset)
	}
}

// plan returns the plan for a type, and makes it if need be.
func (c *copier) plan(t reflect.Type) *copying {
	known := c.plans[t]
	if known == nil {
		known = &copying{of: t}
		c.plans[t] = known // before it is made: what t points to may lead back to t
		c.fill(known)
	}
	return known
}

// fill makes a plan. What may lead back to the type has its repair before the rest is looked into.
func (c *copier) fill(p *copying) {
	t := p.of
	if lasting[t] {
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		var to *copying
		p.repair = func(c *copier, at unsafe.Pointer) {
			switch p := (*unsafe.Pointer)(at); {
			case *p == nil:
			case to.lies:
				c.links = append(c.links, part{at, to})
			default:
				*p = c.target(to, *p)
			}
		}
		to = c.plan(t.Elem())
		to.led = true
	case reflect.Interface:
		p.repair = func(c *copier, at unsafe.Pointer) { c.dynamic(t, at) }
	case reflect.Slice:
		c.slice(p)
	case reflect.Map:
		c.mapping(p)
	case reflect.Array:
		if element := c.plan(t.Elem()); element.repair != nil {
			p.repair = func(c *copier, at unsafe.Pointer) {
				for i := range t.Len() {
					element.repair(c, unsafe.Add(at, uintptr(i)*t.Elem().Size()))
				}
			}
		}
	case reflect.Struct:
		c.fields(p)
	case reflect.Chan, reflect.UnsafePointer:
		panic("a " + t.String() + " cannot be copied")
	}
}

// dynamic copies what an interface holds: a pointer, or a value that does not change.
func (c *copier) dynamic(t reflect.Type, at unsafe.Pointer) {
	v := reflect.NewAt(t, at).Elem()
	if held := v.Elem(); held.IsValid() && held.Kind() == reflect.Pointer && !lasting[held.Type()] {
		of := c.plan(held.Type().Elem())
		v.Set(reflect.NewAt(of.of, c.target(of, held.UnsafePointer())))
	}
}

func (c *copier) slice(p *copying) {
	t := p.of
	var element *copying
	size := t.Elem().Size()
	p.repair = func(c *copier, at unsafe.Pointer) {
		s := reflect.NewAt(t, at).Elem()
		n := s.Len()
		if s.IsNil() || n == 0 {
			s.SetCap(0)
			return
		}
		from := s.UnsafePointer()
		made := reflect.MakeSlice(t, n, n)
		reflect.Copy(made, s)
		to := made.UnsafePointer()
		s.Set(made)
		if element.led {
			for i := range n {
				c.meet(element, unsafe.Add(from, uintptr(i)*size), unsafe.Add(to, uintptr(i)*size))
			}
		}
		if element.repair != nil {
			for i := range n {
				element.repair(c, unsafe.Add(to, uintptr(i)*size))
			}
		}
	}
	element = c.plan(t.Elem())
	element.lies = true
}

// mapping copies a map once, whoever has it.
func (c *copier) mapping(p *copying) {
	var element *copying
	p.repair = func(c *copier, at unsafe.Pointer) {
		m := (*unsafe.Pointer)(at)
		if *m == nil {
			return
		}
		if made, known := c.made[part{*m, p}]; known {
			*m = made
			return
		}
		from := *m
		if clone := clones[p.of]; clone != nil {
			clone(at)
		} else {
			reflect.NewAt(p.of, at).Elem().Set(c.cloned(reflect.NewAt(p.of, at).Elem(), element))
		}
		c.made[part{from, p}] = *m
	}
	element = c.plan(p.of.Elem())
}

// clones copy the maps that most worlds have many of, and that hold what does not change.
var clones = map[reflect.Type]func(at unsafe.Pointer){
	reflect.TypeFor[map[rowKey]any]():         clone[map[rowKey]any],
	reflect.TypeFor[map[rowKey]int]():         clone[map[rowKey]int],
	reflect.TypeFor[map[talos.Version]int]():  clone[map[talos.Version]int],
	reflect.TypeFor[map[talos.Version]bool](): clone[map[talos.Version]bool],
}

func clone[M ~map[K]V, K comparable, V any](at unsafe.Pointer) { *(*M)(at) = maps.Clone(*(*M)(at)) }

// cloned copies a map and what it holds.
func (c *copier) cloned(m reflect.Value, element *copying) reflect.Value {
	made, links := reflect.MakeMapWithSize(m.Type(), m.Len()), len(c.links)
	for all := m.MapRange(); all.Next(); {
		value := reflect.New(element.of)
		value.Elem().SetIterValue(all)
		if element.repair != nil {
			element.repair(c, value.UnsafePointer())
		}
		made.SetMapIndex(all.Key(), value.Elem())
	}
	if len(c.links) > links {
		panic("a " + m.Type().String() + " leads into something else, and cannot be copied")
	}
	return made
}

func (c *copier) fields(p *copying) {
	t := p.of
	type field struct {
		offset uintptr
		of     *copying
	}
	var all []field
	for i := range t.NumField() {
		x := t.Field(i)
		of := c.plan(x.Type)
		if of.repair != nil {
			all = append(all, field{x.Offset, of})
		}
		if x.Type.Kind() == reflect.Struct {
			of.lies = true
			p.within = append(p.within, inner{x.Offset, of})
			for _, deeper := range of.within {
				p.within = append(p.within, inner{x.Offset + deeper.offset, deeper.of})
			}
		}
	}
	if len(all) > 0 {
		p.repair = func(c *copier, at unsafe.Pointer) {
			for i := range all {
				all[i].of.repair(c, unsafe.Add(at, all[i].offset))
			}
		}
	}
}
