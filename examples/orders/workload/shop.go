package workload

import (
	"encoding/json"

	"github.com/ichor-replicator/ichor/examples/certification"
)

// shop is the source of the shop's requests. It remembers the orders that may still change, since a statemap says
// what an order had before.
type shop struct {
	articles int
	open     []string          // orders that are neither shipped nor cancelled, in no order that matters
	place    map[string]int    // of an order in open
	lines    map[string][]line // of an order in open
}

// line is a line of an order.
type line struct {
	SKU      string          `json:"sku"`
	Quantity int64           `json:"quantity"`
	Price    json.RawMessage `json:"price,omitempty"` // none in a line that is returned
}

// change is what an item of a statemap does to the orders that the shop remembers.
type change struct {
	order string
	lines []line // new ones; nil leaves them as they are
	over  bool   // it is shipped or cancelled
}

func newShop(articles int) *shop {
	return &shop{articles: articles, place: map[string]int{}, lines: map[string][]line{}}
}

// Committed implements certification.Source.
func (s *shop) Committed(r *certification.Request) {
	changes, _ := r.Change.([]change)
	for _, c := range changes {
		_, known := s.place[c.order]
		switch {
		case c.over && known:
			s.remove(c.order)
		case c.lines != nil && !c.over:
			if !known {
				s.place[c.order] = len(s.open)
				s.open = append(s.open, c.order)
			}
			s.lines[c.order] = c.lines
		}
	}
}

// remove forgets an order: the last one takes its place.
func (s *shop) remove(order string) {
	at, last := s.place[order], len(s.open)-1
	s.open[at] = s.open[last]
	s.place[s.open[at]] = at
	s.open = s.open[:last]
	delete(s.place, order)
	delete(s.lines, order)
}
