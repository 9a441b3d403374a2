package installer

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ichor-replicator/ichor/host/installer/querytree"
)

// The numbers of the types whose constants are looked at.
const (
	typeDate        oid = 1082
	typeTime        oid = 1083
	typeTimestamp   oid = 1114
	typeTimestamptz oid = 1184
	typeTimetz      oid = 1266
	typeConfig      oid = 3734 // regconfig
	typeDictionary  oid = 3769 // regdictionary
)

// near is how far from the clock a constant of a date or time type must be, in microseconds:
// "today" and "tomorrow" are nearer, in every time zone.
const (
	microsecondsOfDay = 24 * 60 * 60 * 1_000_000
	near              = 2 * microsecondsOfDay
)

// constant judges a constant. Its text was read when the template was parsed, and "now" is a
// time like any other by then: so times near the clock are looked at again, and refused are constants
// that are made of times, in which one that is near cannot be seen, as texts are that become such values.
// Constants in what the owner of the database made were read when it was made.
func (j *judge) constant(ctx context.Context, n *querytree.Node) error {
	if n.Has("constisnull") || j.owner != "" {
		return nil
	}
	t, err := j.base(ctx, n.OID("consttype"))
	if err != nil {
		return err
	}
	value := n.Bytes()
	switch {
	case t.Number == typeDate || t.Number == typeTimestamp || t.Number == typeTimestamptz:
		if j.isNear(t.Number, value) {
			j.near = append(j.near, n) // see saysPresent
		}
		return nil
	case t.Number == typeTime || t.Number == typeTimetz:
		return nil // one that changes was seen by reading the template twice
	case t.builtIn() && strings.HasPrefix(t.Name, "reg"):
		if (t.Number == typeConfig || t.Number == typeDictionary) && wordOf(value) < firstOwn {
			return nil
		}
		j.refuse(n, "name the object in the SQL", "a constant of type %s depends on the catalogue", t.Name)
		return nil
	}
	if t.builtIn() && t.Element == 0 {
		return nil // its text was read by PostgreSQL's own function, and twice
	}
	return j.input(ctx, n, t.Number)
}

// isNear reports whether a date or timestamp is near the clock. The server's bytes are tried
// in both orders: the tree does not say which it is.
func (j *judge) isNear(t oid, value []byte) bool {
	if len(value) < 8 {
		return false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		at := int64(order.Uint64(value))
		if t == typeDate {
			days := int64(int32(at))
			if days == math.MaxInt32 || days == math.MinInt32 {
				continue
			}
			// The clock's day began up to a day before the clock's time.
			at = days*microsecondsOfDay + microsecondsOfDay/2
		}
		if distance := at - j.now; distance < near && distance > -near {
			return true
		}
	}
	return false
}

// base returns what a domain is made of.
func (j *judge) base(ctx context.Context, number oid) (*dataType, error) {
	t, err := j.cat.dataType(ctx, number)
	for err == nil && t.Kind == "d" {
		t, err = j.cat.dataType(ctx, t.Base)
	}
	return t, err
}

// parts returns the types that values of a type are made of.
func (j *judge) parts(t *dataType) []oid {
	all := slices.Clone(t.Columns)
	for _, part := range []oid{t.Element, t.Base} {
		if part != 0 {
			all = append(all, part)
		}
	}
	return all
}

// coercion judges a cast by way of a text.
func (j *judge) coercion(ctx context.Context, n *querytree.Node) error {
	if err := j.output(ctx, n, n.Node("arg").Type()); err != nil {
		return err
	}
	return j.input(ctx, n, n.OID("resulttype"))
}

// eachPart visits a type and all that its values are made of, each once.
func (j *judge) eachPart(ctx context.Context, number oid, visit func(*dataType) error) error {
	seen := map[oid]bool{}
	todo := []oid{number}
	for len(todo) > 0 {
		number, todo = todo[0], todo[1:]
		if seen[number] || number == 0 {
			continue
		}
		seen[number] = true
		t, err := j.cat.dataType(ctx, number)
		if err != nil {
			return err
		}
		if err := visit(t); err != nil {
			return err
		}
		todo = append(todo, j.parts(t)...)
	}
	return nil
}

func (j *judge) namesType(t *dataType) bool {
	return slices.Contains(j.allowed.Types, t.Schema+"."+t.Name) || t.builtIn() && slices.Contains(j.allowed.Types, t.Name)
}

// input judges how a text becomes a value of a type, by the input functions of all parts.
func (j *judge) input(ctx context.Context, n *querytree.Node, number oid) error {
	return j.eachPart(ctx, number, func(t *dataType) error {
		switch {
		case j.namesType(t):
			return nil
		case t.Kind == "d":
			return j.domain(ctx, t.Number)
		case t.Kind == "c" || t.Kind == "e" || t.Element != 0:
			return j.functions(ctx, n, t.RangeParts...)
		case t.Number == querytree.Record:
			j.refuse(n, "name the columns and their types", "a text becomes a record of unknown columns")
			return nil
		case t.builtIn() && (t.Number == typeDate || t.Number == typeTime || t.Number == typeTimestamp || t.Number == typeTimestamptz || t.Number == typeTimetz):
			j.refuse(n, "declare the parameter as what it is cast to", "a text becomes a %s: it may say now, today or the like", t.Name)
			return nil
		case t.builtIn() && strings.HasPrefix(t.Name, "reg"):
			j.refuse(n, "name the object in the SQL", "a text becomes a %s, which depends on the catalogue", t.Name)
			return nil
		}
		return j.function(ctx, n, t.Input)
	})
}

// output judges how a value becomes a text.
func (j *judge) output(ctx context.Context, n *querytree.Node, number oid) error {
	return j.eachPart(ctx, number, func(t *dataType) error {
		switch {
		case j.namesType(t), t.Kind == "d", t.Kind == "c", t.Kind == "e", t.Element != 0, t.Kind == "p":
			return nil
		case t.builtIn() && strings.HasPrefix(t.Name, "reg"):
			j.refuse(n, "compare the numbers", "a %s becomes a text, which depends on the catalogue", t.Name)
			return nil
		case t.builtIn():
			return nil // its output function depends on pinned settings at most
		}
		return j.function(ctx, n, t.Output)
	})
}

// json judges how a value becomes json: by its output functions, and casts to json.
func (j *judge) json(ctx context.Context, n *querytree.Node, number oid) error {
	if err := j.output(ctx, n, number); err != nil {
		return err
	}
	return j.eachPart(ctx, number, func(t *dataType) error {
		of := t.Number
		switch {
		case t.Number == querytree.Record || t.Kind == "p" && t.Columns == nil:
			of = 0 // any type may be in it
		case t.builtIn():
			return nil
		}
		casts, err := j.cat.jsonCasts(ctx, of)
		if err != nil {
			return err
		}
		return j.functions(ctx, n, casts...)
	})
}

// domain judges the checks of a domain, and of those that it is made of.
func (j *judge) domain(ctx context.Context, number oid) error {
	t, err := j.cat.dataType(ctx, number)
	for err == nil && t.Kind == "d" {
		for i, check := range t.Checks {
			err = j.within(ctx, fmt.Sprintf("check %d of domain %s.%s", i+1, t.Schema, t.Name), check)
			if err != nil {
				return err
			}
		}
		t, err = j.cat.dataType(ctx, t.Base)
	}
	return err
}

// wordOf returns the number of an object that is a constant's value, 0 if it has none.
func wordOf(value []byte) oid {
	if len(value) < 8 {
		return 0
	}
	if low := binary.LittleEndian.Uint64(value); low <= math.MaxUint32 {
		return oid(low)
	}
	return oid(binary.BigEndian.Uint64(value))
}
