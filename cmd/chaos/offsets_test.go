package main

import "testing"

func TestAnOffsetAboveTheResumePointIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		see  func(*offsets)
		want bool
	}{
		"none is published":             {func(o *offsets) { o.judge("a", -1, 0) }, false},
		"it is the resume point":        {func(o *offsets) { o.judge("a", 7, 7) }, false},
		"it is below":                   {func(o *offsets) { o.judge("a", 7, 9) }, false},
		"it goes back":                  {func(o *offsets) { o.judge("a", 7, 9); o.judge("a", 5, 9) }, false},
		"it is above":                   {func(o *offsets) { o.judge("a", 8, 7) }, true},
		"it was above":                  {func(o *offsets) { o.judge("a", 8, 7); o.judge("a", 8, 9) }, true},
		"it was read of another":        {func(o *offsets) { o.reads("b"); o.settled(); o.judge("a", 8, 7) }, false},
		"a copy lacks resume points":    {func(o *offsets) { o.reads("b"); o.judge("b", 8, 7) }, false},
		"a copy that has all again":     {func(o *offsets) { o.reads("b"); o.settled(); o.judge("b", 8, 7) }, true},
		"the same database is no copy":  {func(o *offsets) { o.judge("a", 7, 7); o.judge("a", 8, 7) }, true},
		"what was told is not repeated": {func(o *offsets) { o.judge("a", 8, 7); _ = o.end() }, false},
	} {
		var o offsets
		o.reads("a")
		c.see(&o)
		if err := o.end(); (err != nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
