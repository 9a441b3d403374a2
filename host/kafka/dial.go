package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// dialer opens every connection of a Log and knows those that are open, so that Close
// ends them at once, long polls included.
type dialer struct {
	opts Options
	tls  *tls.Config // nil: plain

	mu     sync.Mutex
	closed bool
	open   map[*conn]struct{}
	gone   sync.WaitGroup
}

var errClosed = errors.New("the log is closed")

// dial connects, and does the TLS handshake within the context's deadline.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if d.tls != nil {
		if raw, err = d.encrypt(ctx, raw, address); err != nil {
			return nil, err
		}
	}
	c := &conn{Conn: raw, dialer: d}
	if d.opts.SASL.Mechanism != SASLNone {
		c.phase = negotiating
	}
	if !d.track(c) {
		_ = raw.Close()
		return nil, errClosed
	}
	return c, nil
}

// encrypt does the TLS handshake over raw, which it closes when that fails.
func (d *dialer) encrypt(ctx context.Context, raw net.Conn, address string) (net.Conn, error) {
	config := d.tls
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address
		}
		config = config.Clone()
		config.ServerName = host
	}
	secured := tls.Client(raw, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, tlsError(err)
	}
	return secured, nil
}

// tlsError returns a RefusedError for what a person must mend, else a wrapped err.
func tlsError(err error) error {
	var (
		certificate *tls.CertificateVerificationError
		alert       tls.AlertError
		header      tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &certificate):
		return &RefusedError{What: "the broker's certificate and tls.ca_file", Cause: err}
	case errors.As(err, &alert):
		return &RefusedError{What: "the TLS settings", Cause: err}
	case errors.As(err, &header), hungUp(err):
		return &RefusedError{What: "whether this listener speaks TLS", Cause: err}
	default:
		return fmt.Errorf("TLS handshake (does this listener speak TLS?): %w", err)
	}
}

func (d *dialer) track(c *conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.open[c] = struct{}{}
	d.gone.Add(1)
	return true
}

func (d *dialer) untrack(c *conn) {
	d.mu.Lock()
	_, was := d.open[c]
	delete(d.open, c)
	d.mu.Unlock()
	if was {
		d.gone.Done()
	}
}

// close ends all connections and refuses new ones.
func (d *dialer) close() {
	d.mu.Lock()
	d.closed = true
	open := make([]*conn, 0, len(d.open))
	for c := range d.open {
		open = append(open, c)
	}
	d.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
	d.gone.Wait()
}

// phase is how far a connection with SASL has come.
type phase uint8

const (
	ready          phase = iota // authenticated, or no SASL at all
	negotiating                 // before the API versions are known
	authenticating              // between the API versions and the first request
)

// conn is one connection. It exists for two things kafka-go lacks: a deadline on the
// SASL exchange (kafka-go lifts the deadline just before it), and knowing that a
// broker that hangs up then means "wrong password".
//
// kafka-go calls SetDeadline and Read of one connection from one goroutine at a time.
type conn struct {
	net.Conn
	dialer *dialer
	phase  phase
}

// SetDeadline counts kafka-go's deadlines to know the phase: set before the API
// versions, lifted before SASL, set again by the first request.
func (c *conn) SetDeadline(t time.Time) error {
	switch {
	case c.phase == negotiating && t.IsZero():
		c.phase = authenticating
		t = time.Now().Add(c.dialer.opts.DialTimeout)
	case c.phase == authenticating:
		c.phase = ready
	}
	return c.Conn.SetDeadline(t)
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && n == 0 && c.phase == authenticating && !isTimeout(err) {
		//nolint:errorlint // Not wrapped: kafka-go would take an io.EOF inside for a cut answer and drop the rest.
		err = &RefusedError{What: "user and password", Cause: fmt.Errorf("the broker hung up: %v", err)}
	}
	return n, err
}

// Close implements net.Conn; it may be called from any goroutine.
func (c *conn) Close() error {
	defer c.dialer.untrack(c)
	return c.Conn.Close()
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
