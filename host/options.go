// Package host joins the stages into a running replicator: it owns every goroutine, and only
// it knows all the stages. What is decided is decided by the core (package replicator); the
// host carries out what the core asks for and tells it what happened.
//
// See DESIGN.md for the flow, the goroutines, the order of durability and the shutdown.
package host

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/spans"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Options are everything that a host can be told, grouped by who owns it.
type Options struct {
	Source   SourceOptions
	Database DatabaseOptions
	Guests   rollout.Options
	Core     replicator.Options // installer.* and limits.* of the settings
	HTTP     HTTPOptions
	Spans    spans.Options // trace.* of the settings; New fills in what they say of the host

	// Observer receives each finished journey; nil for none. It is called from the core's
	// goroutine and must not block.
	Observer timing.Observer
	// Trace receives every event that the core takes and every action that it answers with, as a
	// script (replicator.Trace); nil for none. It grows with the log and must not block.
	Trace io.Writer
	// ShutdownTimeout bounds the draining after Run's context ended.
	ShutdownTimeout time.Duration
}

// SourceOptions say which log is read, and from where when the database does not know.
type SourceOptions struct {
	kafka.Options
	// Start is where a database that was never installed into begins: StartBeginning, or
	// StartEarliest to accept that the log's beginning is gone.
	Start StartPolicy
	// DecisionOverdue is how long a candidate may be undecided before the host is not ready.
	DecisionOverdue time.Duration
	// PolicyEvery is how often a running host asks whether its topic is compacted by now.
	PolicyEvery time.Duration
}

// StartPolicy is where a new cohort begins.
type StartPolicy string

// The policies.
const (
	StartBeginning StartPolicy = "beginning" // only a log that still has its position 0
	StartEarliest  StartPolicy = "earliest"  // whatever the log still has
)

// DatabaseOptions say where the cohort's rows are.
type DatabaseOptions struct {
	installer.Options
	// Init creates what is missing of the schema at start.
	Init bool
	// Lease is how long the owner may be silent before a host that stands by takes the cohort over.
	Lease time.Duration
}

// HTTPOptions say where the host listens.
type HTTPOptions struct {
	// Listen serves metrics, health and the read-only API; empty for none.
	Listen string
	// Hosts are names by which it may be asked, in the header Host, beside the host of Listen,
	// localhost, loopback addresses and the address at which a request arrives.
	Hosts []string
	// Tokens is the file of those who may read and change; empty lets everybody read and nobody change.
	Tokens string
}

// Exposed says what is risked by listening beyond this machine; empty when that is not so.
func (o HTTPOptions) Exposed() string {
	host, _, err := net.SplitHostPort(o.Listen)
	if ip := net.ParseIP(host); o.Listen == "" || err != nil || host == "localhost" || ip != nil && ip.IsLoopback() {
		return ""
	}
	if o.Tokens != "" {
		return fmt.Sprintf("http.listen is %s, beyond this machine: tokens and answers go there unencrypted; let a proxy that speaks TLS stand before it", o.Listen)
	}
	return fmt.Sprintf("http.listen is %s, beyond this machine: whoever reaches it reads status, journeys and metrics, without a password and unencrypted; "+
		"listen on 127.0.0.1, or let only those reach it who may read that", o.Listen)
}

// The defaults.
const (
	DefaultShutdownTimeout = 7 * time.Second // with what follows it a host ends within 10 s
	DefaultDecisionOverdue = 2 * time.Minute
	DefaultPolicyEvery     = time.Minute
	DefaultListen          = "127.0.0.1:9464"
	DefaultLease           = 5 * time.Second
)

// Fill sets every field that is zero to its default.
func (o *Options) Fill() {
	o.ShutdownTimeout = cmp.Or(o.ShutdownTimeout, DefaultShutdownTimeout)
	o.Source.Start = cmp.Or(o.Source.Start, StartBeginning)
	o.Source.DecisionOverdue = cmp.Or(o.Source.DecisionOverdue, DefaultDecisionOverdue)
	o.Source.PolicyEvery = cmp.Or(o.Source.PolicyEvery, DefaultPolicyEvery)
	o.Database.Lease = cmp.Or(o.Database.Lease, DefaultLease)
	o.Source.Options.Fill()
	o.Guests.Fill()
	o.Core.Fill()
	o.Spans.Fill()
	o.Guests.Probation = o.Core.Probation.Versions > 0
	o.Database.Lanes = o.Core.Lanes
	if o.Guests.Limits.SQL.Schema == "" {
		first, _, _ := strings.Cut(o.Database.SearchPath, ",")
		o.Guests.Limits.SQL.Schema = strings.Trim(first, ` "`)
	}
	o.Guests.Limits.SQL.Database = true // a host gives every template to it
	o.Database.Allowed = rollout.Allowed(&o.Guests.Limits)
	if o.Database.Owner == "" {
		name, err := os.Hostname()
		if err != nil {
			name = "unknown"
		}
		o.Database.Owner = fmt.Sprintf("%s/%d", name, os.Getpid())
	}
}

// Validate returns everything that is wrong with the options, each by the path of its setting.
func (o Options) Validate() error {
	o.Fill()
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Source.Start != StartBeginning && o.Source.Start != StartEarliest {
		wrong("source.start is %q: choose %s or %s", o.Source.Start, StartBeginning, StartEarliest)
	}
	if err := o.Database.Options.Validate(); err != nil {
		wrong("%w", err)
	}
	if d, s := o.Database.Options.Times(); d <= s {
		wrong("installer.deadline is %v and database.statement_timeout is %v: a group must be given longer than one statement", d, s)
	}
	if o.Database.Lease < time.Second || o.Database.Lease > time.Hour {
		wrong("database.lease is %v: choose between 1s and 1h", o.Database.Lease)
	}
	if o.HTTP.Listen != "" {
		_, port, err := net.SplitHostPort(o.HTTP.Listen)
		if _, none := strconv.ParseUint(port, 10, 16); err != nil || none != nil {
			wrong("http.listen is %q: write host:port, as in 127.0.0.1:9464, or \"[::1]:9464\" in quotes", o.HTTP.Listen)
		}
	}
	for i, name := range o.HTTP.Hosts {
		if name == "" || strings.ContainsAny(name, ":/*") && net.ParseIP(name) == nil {
			wrong("http.hosts[%d] is %q: write a name as it stands in the header Host, without a port", i, name)
		}
	}
	return errors.Join(append(errs, o.Source.Options.Validate(), o.Guests.Validate(), o.Core.Validate(), o.Spans.Validate())...)
}
