package spans

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// Options say where spans go, and of which journeys.
type Options struct {
	// Endpoint is the receiver, as in http://collector:4317, or https:// for TLS; empty for none: no spans are made.
	Endpoint string
	// Slow is from when on a journey is sent for its time, from the decision to the commit.
	Slow time.Duration
	// Share of the other journeys is sent, between 0 and 1. It is chosen by the id of the trace that the decision
	// names, as OpenTelemetry's sampler by ratio chooses: agents and hosts with one share have the same traces.
	Share float64

	// Version is the program's, Topic the log's; Instance names the host.
	Version, Topic, Instance string
}

// The defaults.
const (
	DefaultSlow  = time.Second
	DefaultShare = 0.01
)

// Fill sets Slow to its default when it is 0. A share of 0 means none.
func (o *Options) Fill() { o.Slow = cmp.Or(o.Slow, DefaultSlow) }

// Validate returns everything that is wrong with the options, each by the path of its setting.
func (o Options) Validate() error {
	var errs []error
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err == nil && u.Port() != "" {
			_, err = strconv.ParseUint(u.Port(), 10, 16)
		}
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
			errs = append(errs, errors.New("trace.endpoint is none: write http:// or https://, a host and a port, as in http://collector:4317"))
		}
	}
	if o.Slow < 0 {
		errs = append(errs, fmt.Errorf("trace.slow is %v: choose a time above 0", o.Slow))
	}
	if !(o.Share >= 0 && o.Share <= 1) { // NaN too
		errs = append(errs, fmt.Errorf("trace.share is %v: choose between 0 and 1", o.Share))
	}
	return errors.Join(errs...)
}
