package main

import (
	"context"
	"fmt"
	"io"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/examples/certification"
)

// What is kept is for trying: some traffic, and guests that are compared before they convert, and are on probation for
// longer than anybody needs to build one that fails.
const (
	lingerRate      = 50 // candidates a second
	lingerShadow    = 300
	lingerProbation = 10_000
)

// linger starts the host again, says what can be tried with it, and goes on with some traffic until the context ends;
// then it returns nil.
func (d *show) linger(ctx context.Context, ready func() error) error {
	file, token, err := d.stage.WriteToken()
	if err != nil {
		return err
	}
	err = d.stage.Rewrite(d.host, func(s *stage.Settings) {
		s.Guests.Shadow.Versions, s.Guests.Probation.Versions, s.HTTP.Tokens = lingerShadow, lingerProbation, file
	})
	if err != nil {
		return err
	}
	if err := d.host.Start(); err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	d.invite(d.screen.out, token)
	d.generator.GoOn()
	err = certification.Produce(ctx, d.generator, certification.Target{Brokers: d.stage.Brokers(), Topic: topic, Rate: lingerRate})
	if ctx.Err() == nil {
		return err
	}
	d.screen.say("stopping everything")
	return nil
}

// invite prints where everything is, and commands to try, with the token that they need.
func (d *show) invite(out io.Writer, token string) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "  %-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	binary, settings := d.host.Binary, d.host.Settings
	fmt.Fprintf(out, "\nAll of it runs on, with %d %s a second, until Ctrl-C. To look and to try:\n", lingerRate, d.example.counted())
	line("page", "http://%s/#token=%s", d.host.Address, token)
	line("", "which has the token; export ICHOR_TOKEN=%s for the commands here", token)
	line("status", "http://%s/readyz, and /metrics, /v1/openapi.yaml there", d.host.Address)
	line("", "%s status -c %s", binary, settings)
	line("check", "%s check -c %s", binary, settings)
	line("guest", "%s guest inspect %s -c %s", binary, d.stage.Guests.File(), settings)
	line("swap", "%s guest swap NEW.wasm --name %s -c %s", binary, d.stage.Guests.Name, settings)
	line("database", "psql '%s' -c 'select * from %s order by 1 limit 5'", d.cohort.URL, d.example.table())
	statement, what := d.example.hold()
	line("hold", "psql '%s' -c \"%s\"", d.cohort.URL, statement)
	line("", "holds %s, to be retried once the constraint is dropped, or skipped", what)
	line("topic", "%s at %s", topic, d.stage.Brokers()[0])
	line("", "for reading alone: its certifier counts positions, and all of this ends where somebody else writes to it")
	line("log", "tail -f %s", d.host.Log)
}
