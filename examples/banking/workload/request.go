package workload

import (
	"encoding/json"
	"math/rand/v2"
	"strings"

	"github.com/ichor-replicator/ichor/examples/banking"
	"github.com/ichor-replicator/ichor/examples/certification"
)

// How often the bank makes what is not a single transfer, of all requests.
const (
	shareSeveral  = 0.03  // several items, which may touch an account twice
	shareDeposit  = 0.015 // a deposit
	shareWithdraw = 0.015
	shareBlind    = 0.01 // a deposit that reads nothing
	shareSettings = 0.01 // no statemap at all
	shareEmpty    = 0.01 // an empty statemap
	shareNull     = 0.005
	shareStale    = 0.02 // of single transfers, read at an older snapshot than there is
)

// bank is the source of the bank's requests. It remembers nothing of what is committed: a movement does
// not depend on what is on an account.
type bank struct{ options Options }

// Committed implements certification.Source.
func (b *bank) Committed(*certification.Request) {}

// Request implements certification.Source.
func (b *bank) Request(g *certification.Generator) certification.Request {
	shares := []struct {
		share float64
		make  func(*certification.Generator) certification.Request
	}{
		{shareSeveral, b.several},
		{shareDeposit, b.single("DEPOSIT")},
		{shareWithdraw, b.single("WITHDRAW")},
		{shareBlind, b.blind},
		{shareSettings, idle(nil)},
		{shareEmpty, idle(json.RawMessage(`[]`))},
		{shareNull, idle(json.RawMessage(`null`))},
	}
	at := g.Rand().Float64()
	for _, s := range shares {
		if at < s.share {
			return s.make(g)
		}
		at -= s.share
	}
	return b.Plain(g)
}

// Plain returns one transfer between two accounts.
func (b *bank) Plain(g *certification.Generator) certification.Request {
	accounts := b.accounts(g.Rand(), 2)
	r := g.Draft(accounts, accounts)
	r.Counts = true
	r.Statemap = list(movement("TRANSFER", map[string]string{"from": accounts[0], "to": accounts[1]}, amount(g.Rand())))
	if !g.Plain() && g.Rand().Float64() < shareStale {
		g.Stale(&r)
	}
	return r
}

// several returns two to four movements between a few accounts.
func (b *bank) several(g *certification.Generator) certification.Request {
	accounts := b.accounts(g.Rand(), 3)
	items := []string{
		movement("TRANSFER", map[string]string{"from": accounts[0], "to": accounts[1]}, amount(g.Rand())),
		movement("WITHDRAW", map[string]string{"account": accounts[1]}, amount(g.Rand())),
		movement("DEPOSIT", map[string]string{"account": accounts[2]}, amount(g.Rand())),
		movement("TRANSFER", map[string]string{"from": accounts[2], "to": accounts[0]}, amount(g.Rand())),
	}
	n := 2 + g.Rand().IntN(3)
	used := accounts
	if n == 2 {
		used = accounts[:2]
	}
	r := g.Draft(used, used)
	r.Statemap = list(items[:n]...)
	return r
}

// single returns one movement of one account.
func (b *bank) single(action string) func(*certification.Generator) certification.Request {
	return func(g *certification.Generator) certification.Request {
		accounts := b.accounts(g.Rand(), 1)
		r := g.Draft(accounts, accounts)
		r.Statemap = list(movement(action, map[string]string{"account": accounts[0]}, amount(g.Rand())))
		return r
	}
}

// blind returns a deposit that reads nothing, which is always committed.
func (b *bank) blind(g *certification.Generator) certification.Request {
	accounts := b.accounts(g.Rand(), 1)
	r := g.Draft(accounts, nil)
	r.Statemap = list(movement("DEPOSIT", map[string]string{"account": accounts[0]}, amount(g.Rand())))
	return r
}

// idle returns a request that changes nothing in the cohort's tables.
func idle(statemap json.RawMessage) func(*certification.Generator) certification.Request {
	return func(g *certification.Generator) certification.Request { return g.Idle(statemap) }
}

// accounts returns n different accounts, hot ones as often as the options say.
func (b *bank) accounts(rng *rand.Rand, n int) []string {
	picked := make([]string, 0, n)
	seen := make(map[int]bool, n)
	for len(picked) < n {
		i := rng.IntN(b.options.Accounts)
		if rng.Float64() < b.options.HotShare {
			i = rng.IntN(b.options.Hot)
		}
		if !seen[i] {
			seen[i] = true
			picked = append(picked, banking.AccountNumber(i))
		}
	}
	return picked
}

// amount returns up to 100 in hundred-thousandths, mostly whole or in cents.
func amount(rng *rand.Rand) int64 {
	switch rng.IntN(4) {
	case 0:
		return unit * (1 + rng.Int64N(100))
	case 1:
		return 1 + rng.Int64N(100*unit)
	default:
		return unit / 100 * (1 + rng.Int64N(10_000))
	}
}

func list(items ...string) json.RawMessage {
	return json.RawMessage("[" + strings.Join(items, ",") + "]")
}
