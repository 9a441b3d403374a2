package workload

import (
	"encoding/json"
	"math/rand/v2"
	"slices"

	"github.com/ichor-replicator/ichor/examples/certification"
)

// How often what happens, of all requests; the rest are orders that are placed.
const (
	shareChange   = 0.15
	sharePay      = 0.18
	shareShip     = 0.12
	shareCancel   = 0.1
	shareSeveral  = 0.05  // an order is placed and another one paid
	shareLarge    = 0.001 // an order of largeLines lines
	shareBlind    = 0.01  // a payment that reads nothing, perhaps of an order that is cancelled
	shareSettings = 0.01  // no statemap at all
	shareEmpty    = 0.01  // an empty statemap
	shareNull     = 0.005
	shareStale    = 0.02 // of changes, read at an older snapshot than there is

	largeLines = 1000
	linesMax   = 5 // of other orders
)

// Request implements certification.Source.
func (s *shop) Request(g *certification.Generator) certification.Request {
	shares := []struct {
		share float64
		make  func(*certification.Generator) certification.Request
	}{
		{shareChange, s.change},
		{sharePay, func(g *certification.Generator) certification.Request { return s.status(g, "PAY_ORDER") }},
		{shareShip, func(g *certification.Generator) certification.Request { return s.status(g, "SHIP_ORDER") }},
		{shareCancel, func(g *certification.Generator) certification.Request { return s.status(g, "CANCEL_ORDER") }},
		{shareSeveral, s.several},
		{shareBlind, s.blind},
	}
	at := g.Rand().Float64()
	for _, kind := range shares {
		if at < kind.share && len(s.open) > 0 {
			return kind.make(g)
		}
		at -= kind.share
	}
	for _, none := range []struct {
		share    float64
		statemap json.RawMessage
	}{{shareSettings, nil}, {shareEmpty, json.RawMessage(`[]`)}, {shareNull, json.RawMessage(`null`)}} {
		if at >= 0 && at < none.share {
			return g.Idle(none.statemap)
		}
		at -= none.share
	}
	if at >= 0 && at < shareLarge {
		return s.placing(g, largeLines)
	}
	return s.Plain(g)
}

// Plain returns an order that is placed.
func (s *shop) Plain(g *certification.Generator) certification.Request {
	return s.placing(g, g.Rand().IntN(linesMax+1))
}

// item is one item of a statemap, with the articles that it counts.
type item struct {
	change
	action  string
	payload payload
	counted [][]line
}

// payload is what an item says; what an action does not know is left out.
type payload struct {
	Order    string          `json:"order"`
	Customer string          `json:"customer,omitempty"`
	At       string          `json:"at,omitempty"`
	Total    json.RawMessage `json:"total,omitempty"`
	Tags     *[]string       `json:"tags,omitempty"`
	Details  json.RawMessage `json:"details,omitempty"`
	Remark   json.RawMessage `json:"remark,omitempty"`
	Lines    *[]line         `json:"lines,omitempty"`
	Returned *[]line         `json:"returned,omitempty"`
}

// request returns a request of items that reads their orders, or nothing when it is blind.
func (s *shop) request(g *certification.Generator, blind bool, items ...item) certification.Request {
	var keys, articles []string
	var changes []change
	var statemap []map[string]payload
	for _, is := range items {
		keys = append(keys, "order:"+is.order)
		for _, lines := range is.counted {
			for _, l := range lines {
				articles = append(articles, "article:"+l.SKU)
			}
		}
		changes = append(changes, is.change)
		statemap = append(statemap, map[string]payload{is.action: is.payload})
	}
	slices.Sort(articles)
	reads := keys
	if blind {
		reads = nil
	}
	r := g.Draft(slices.Concat(keys, slices.Compact(articles)), reads)
	r.Statemap, r.Change, r.Counts = certification.JSON(statemap), changes, true
	return r
}

func (s *shop) placing(g *certification.Generator, lines int) certification.Request {
	return s.request(g, false, s.placed(g, lines))
}

func (s *shop) placed(g *certification.Generator, n int) item {
	rng, order, lines := g.Rand(), g.UUID(), s.someLines(g.Rand(), n)
	return item{
		change: change{order: order, lines: lines}, action: "PLACE_ORDER", counted: [][]line{lines},
		payload: payload{Order: order, Customer: pick(rng, customers), At: moment(rng), Total: decimal(rng), Tags: someTags(rng), Details: pick(rng, details), Lines: &lines},
	}
}

func (s *shop) change(g *certification.Generator) certification.Request {
	rng, order := g.Rand(), s.known(g.Rand())
	lines, returned := s.someLines(rng, rng.IntN(linesMax+1)), given(s.lines[order])
	r := s.request(g, false, item{
		change: change{order: order, lines: lines}, action: "CHANGE_ORDER", counted: [][]line{lines, returned},
		payload: payload{Order: order, Total: decimal(rng), Tags: someTags(rng), Details: pick(rng, details), Lines: &lines, Returned: &returned},
	})
	if rng.Float64() < shareStale {
		g.Stale(&r)
	}
	return r
}

func (s *shop) status(g *certification.Generator, action string) certification.Request {
	return s.request(g, false, s.gets(g, action))
}

// gets returns the item by which an order gets a status.
func (s *shop) gets(g *certification.Generator, action string) item {
	rng, order := g.Rand(), s.known(g.Rand())
	is := item{
		change: change{order: order, over: action != "PAY_ORDER"}, action: action,
		payload: payload{Order: order, At: moment(rng), Remark: pick(rng, remarks)},
	}
	if action == "CANCEL_ORDER" {
		returned := given(s.lines[order])
		is.payload.Returned, is.counted = &returned, [][]line{returned}
	}
	return is
}

func (s *shop) several(g *certification.Generator) certification.Request {
	return s.request(g, false, s.placed(g, 1+g.Rand().IntN(linesMax)), s.gets(g, "PAY_ORDER"))
}

func (s *shop) blind(g *certification.Generator) certification.Request {
	return s.request(g, true, s.gets(g, "PAY_ORDER"))
}

// known returns an order that may still change, one of few as often as not, so that requests meet.
func (s *shop) known(rng *rand.Rand) string {
	if rng.IntN(2) == 0 {
		return s.open[rng.IntN(min(20, len(s.open)))]
	}
	return s.open[rng.IntN(len(s.open))]
}

// someLines returns so many lines, of articles that may be the same.
func (s *shop) someLines(rng *rand.Rand, n int) []line {
	lines := make([]line, n)
	for i := range lines {
		lines[i] = line{SKU: Article(rng.IntN(s.articles)), Quantity: 1 + rng.Int64N(9), Price: decimal(rng)}
	}
	return lines
}

// given returns lines as they are given back: without a price.
func given(lines []line) []line {
	back := make([]line, len(lines))
	for i, l := range lines {
		back[i] = line{SKU: l.SKU, Quantity: l.Quantity}
	}
	return back
}
