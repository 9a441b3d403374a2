package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/host"
)

type checkCommand struct {
	withFile
	Timeout time.Duration `help:"How long to wait for everything together." default:"15s"`
}

// Run implements the verb.
func (c *checkCommand) Run(ctx context.Context) error {
	o, _, err := c.options()
	if err != nil {
		return err
	}
	lacking := equip(&o.Guests.Limits)
	wrong := 0
	for _, f := range host.Check(ctx, o, c.Timeout) {
		if f.Err != nil {
			wrong++
			fmt.Printf("failed  %s: %v\n", f.What, f.Err)
			continue
		}
		note := f.What
		if f.Note != "" {
			note += ": " + f.Note
		}
		fmt.Println("ok      " + note)
	}
	if lacking != nil {
		fmt.Println("note    " + lacking.Error())
	} else {
		fmt.Println("ok      compiled guests: kept in " + o.Guests.Limits.CacheDir)
	}
	if wrong > 0 {
		return &failure{exitEnvironment, errors.New("not everything is ready; see above")}
	}
	return nil
}
