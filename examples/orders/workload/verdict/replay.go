// Package verdict judges what a host made of a certification topic of the orders example, from the log and the
// database alone: it replays what is committed one version after the other in Go, without a guest and without SQL,
// and compares every row. A counter that a version was counted into twice, or not at all, differs.
package verdict

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/ichor-replicator/ichor/examples/certification/transcript"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Read reads a topic of the shop to the end that it has now.
func Read(ctx context.Context, brokers []string, topic string) (*transcript.Log, error) {
	return transcript.Read(ctx, brokers, topic, understand)
}

// shop is what the tables have.
type shop struct {
	orders map[string]*order
	sold   map[string]int64 // by article
}

// order is an order with its lines.
type order struct {
	customer, status   string
	statusAt, placedAt time.Time
	remark             *string
	total              *big.Rat
	tags               []string
	details            string // canonical; empty where there are none
	version            talos.Version
	lines              []line
}

type line struct {
	sku      string
	quantity int64
	price    *big.Rat
	version  talos.Version
}

// replay installs the installable versions one after the other.
func replay(log *transcript.Log) (*shop, error) {
	s := &shop{orders: map[string]*order{}, sold: map[string]int64{}}
	for _, v := range log.Versions() {
		if log.Class(v) != transcript.Installable {
			continue
		}
		for _, is := range log.Items(v) {
			if err := s.install(is, v); err != nil {
				return nil, fmt.Errorf("version %v: %w", v, err)
			}
		}
	}
	return s, nil
}

// statuses are what an order gets by an action.
var statuses = map[string]string{"PLACE_ORDER": "placed", "PAY_ORDER": "paid", "SHIP_ORDER": "shipped", "CANCEL_ORDER": "cancelled"}

// install does what an item says. An update of an order that is not there changes no row; what it counts is
// counted all the same.
func (s *shop) install(is transcript.Item, v talos.Version) error {
	i, err := readItem(is)
	if err != nil {
		return err
	}
	for _, l := range i.Lines {
		s.sold[l.SKU] += l.Quantity
	}
	for _, l := range i.Returned {
		s.sold[l.SKU] -= l.Quantity
	}
	if is.Action == "PLACE_ORDER" {
		s.orders[i.Order] = &order{customer: i.Customer, placedAt: i.at}
	}
	o := s.orders[i.Order]
	if o == nil {
		return nil
	}
	o.version = v
	if status, gets := statuses[is.Action]; gets {
		o.status, o.statusAt, o.remark = status, i.at, i.Remark
	}
	if i.total == nil {
		return nil
	}
	o.total, o.tags, o.details, o.lines = i.total, i.Tags, "", nil
	if i.Details != nil {
		if o.details, err = canonical(i.Details); err != nil {
			return err
		}
	}
	for n, l := range i.Lines {
		o.lines = append(o.lines, line{l.SKU, l.Quantity, i.price[n], v})
	}
	return nil
}

// words says what each row has, by its table and key.
func (s *shop) words() transcript.Rows {
	rows := transcript.Rows{}
	for id, o := range s.orders {
		rows["order "+id] = o.words()
		for n, l := range o.lines {
			rows[fmt.Sprintf("order %s line %d", id, n+1)] = l.words()
		}
	}
	for sku, sold := range s.sold {
		rows["article "+sku] = fmt.Sprintf("%d sold", sold)
	}
	return rows
}

func (o *order) words() string {
	remark := "none"
	if o.remark != nil {
		remark = fmt.Sprintf("%q", *o.remark)
	}
	return fmt.Sprintf("%q %s since %s (%s), placed %s, %s, tags %q, details %s, at version %v", o.customer, o.status, instant(o.statusAt), remark,
		instant(o.placedAt), o.total.RatString(), o.tags, o.details, o.version)
}

func (l line) words() string {
	return fmt.Sprintf("%d of %q at %s, at version %v", l.quantity, l.sku, l.price.RatString(), l.version)
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
