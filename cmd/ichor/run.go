package main

import (
	"cmp"
	"context"
	"encoding"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.yaml.in/yaml/v4"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/oci"
	"github.com/ichor-replicator/ichor/host/installer"
)

type runCommand struct {
	withFile
	Trace       string `help:"Write every event and action of the core to this file, as a script of the tests. What is in the file stays. It holds no rows, and grows with the log: for finding out what happened." placeholder:"FILE" type:"path"`
	Dev         bool   `help:"Take guests that no key of guests.keys signed too. Where guests are written and tried, and never where it counts."`
	PrintConfig bool   `help:"Print the settings as they are understood, and end."`
}

// Run implements the verb.
func (c *runCommand) Run(ctx context.Context) error {
	if c.PrintConfig {
		return c.print()
	}
	o, s, err := c.options()
	if err != nil {
		return err
	}
	log, end, err := newLogLines(s.Log, os.Stderr)
	if err != nil {
		return &failure{exitSettings, err}
	}
	defer end()
	if o.Guests.Trust.Unsigned = c.Dev; c.Dev && len(o.Guests.Trust.Keys) > 0 {
		log.Warn("RUNNING WITH --dev: WHOEVER CAN WRITE TO THE GUEST DIRECTORY DECIDES WHAT THIS HOST RUNS, signed or not", "directory", o.Guests.Directory)
	}
	boundHeap()
	if err := equip(&o.Guests.Limits); err != nil {
		log.Warn("each start takes longer than it need", "because", err)
	}
	if c.Trace != "" {
		// What an earlier run left is what one wants to see, so it stays.
		file, err := os.OpenFile(c.Trace, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return &failure{exitSettings, fmt.Errorf("--trace: %w", err)}
		}
		defer file.Close()
		o.Trace = file
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	h, err := host.New(o, log, reg)
	if taken := (*net.OpError)(nil); errors.As(err, &taken) {
		return &failure{exitEnvironment, err} // http.listen is taken, or none of this machine
	}
	if err != nil {
		return &failure{exitSettings, err}
	}
	if h.Address() != "" {
		log.Info("listening", "address", h.Address())
		if risk := o.HTTP.Exposed(); risk != "" {
			log.Warn("the listener is open to others", "because", risk)
		}
	}
	err = h.Run(ctx)
	var notReady *installer.NotReadyError
	var rights *installer.RightsError
	var refused *guest.LoadError
	var unread *guest.FileError
	if errors.As(err, &notReady) || errors.As(err, &rights) || errors.As(err, &refused) || errors.As(err, &unread) {
		return &failure{exitEnvironment, err}
	}
	return err
}

// print writes the settings with their defaults, then says what is wrong with them.
func (c *runCommand) print() error {
	_, s, wrong := c.options()
	if _, err := readSettings(c.Settings); err != nil {
		return wrong // with what they are not understood as
	}
	return cmp.Or(wrong, s.print()) // printed either way
}

// print writes the settings, without what is secret.
func (s *settings) print() error {
	shown := *s
	if shown.Database.URL != "" {
		shown.Database.URL = "(not shown)"
	}
	if strings.Contains(shown.Trace.Endpoint, "@") { // a name and a password, which are refused
		shown.Trace.Endpoint = "(not shown)"
	}
	shown.Source.Brokers, shown.Guests.Pull = slices.Clone(shown.Source.Brokers), maps.Clone(shown.Guests.Pull)
	for i, broker := range shown.Source.Brokers { // as here
		if strings.Contains(broker, "@") {
			shown.Source.Brokers[i] = "(not shown)"
		}
	}
	for name, from := range shown.Guests.Pull {
		if _, err := oci.ParseReference(from); err != nil {
			shown.Guests.Pull[name] = "(not shown)"
		}
	}
	text, err := yaml.Dump(shown)
	if err != nil {
		return err
	}
	_, err = stdout.Write(text)
	return err
}

// logger returns the log that the settings describe. Both formats say a value in the same words.
func logger(s logSettings, w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	var errs []error
	if err := level.UnmarshalText([]byte(s.Level)); err != nil {
		errs = append(errs, fmt.Errorf("log.level is %q: choose debug, info, warn or error", s.Level))
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: inWords}
	var handler slog.Handler
	switch s.Format {
	case "text":
		handler = slog.NewTextHandler(w, options)
	case "json":
		handler = slog.NewJSONHandler(w, options)
	default:
		errs = append(errs, fmt.Errorf("log.format is %q: choose text or json", s.Format))
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return slog.New(handler), nil
}

// inWords lets JSON say what text says: a duration with its unit instead of nanoseconds, and what has words of its own by
// these instead of by its fields, some of which are not for a log.
func inWords(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String())
	case slog.KindAny:
		switch said := a.Value.Any().(type) {
		case error, encoding.TextMarshaler: // both formats know them
		case fmt.Stringer:
			a.Value = slog.StringValue(fmt.Sprint(said)) // which survives a nil pointer
		}
	}
	return a
}
