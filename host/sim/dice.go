package sim

import "math/rand/v2"

// dice is the random numbers of one part of a world. Each part has its own, so that a change in one
// leaves what the others do as it was.
type dice struct {
	random *rand.Rand
	still  bool // always the first choice: what happens is chosen by who explores
}

// The parts that draw.
const (
	partSetup = iota
	partLog
	partTurns
	partFaults
	partNetwork
	partGuests
	partHosts
	parts
)

func newDice(seed uint64, part int) dice {
	return dice{random: rand.New(rand.NewPCG(seed, uint64(part)))}
}

// below returns a number from 0 up to, not including, n.
func (d *dice) below(n int) int {
	if d.still || n <= 1 {
		return 0
	}
	return d.random.IntN(n)
}

// between returns a number of the range, both ends included.
func (d *dice) between(least, most int) int { return least + d.below(most-least+1) }

// span returns a duration below another, ns; at least 1.
func (d *dice) span(most int64) int64 {
	if d.still || most <= 1 {
		return 1
	}
	return 1 + d.random.Int64N(most)
}

// chance is true so many times of a thousand.
func (d *dice) chance(thousandth int) bool { return !d.still && d.random.IntN(1000) < thousandth }

// of returns one of the choices.
func of[T any](d *dice, choices ...T) T { return choices[d.below(len(choices))] }
