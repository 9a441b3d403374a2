package kafkatest

import (
	"context"
	"errors"
)

// Elsewhere returns a broker that runs by itself at host:port, without encryption: only its topics can be
// spoken to.
func Elsewhere(addr string) *Broker { return &Broker{kind: "elsewhere", server: elsewhere(addr)} }

type elsewhere string

var errElsewhere = errors.New("the broker runs by itself")

func (elsewhere) start(context.Context) error { return errElsewhere }
func (elsewhere) halt() error                 { return nil }
func (elsewhere) remove() error               { return nil }

func (e elsewhere) addr(l Listener) string {
	if l != Plain {
		return ""
	}
	return string(e)
}
