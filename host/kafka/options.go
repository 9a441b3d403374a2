package kafka

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// The defaults of Options, taken where a field is zero.
const (
	DefaultClientID       = "ichor"
	DefaultMaxBytes       = 4 << 20
	DefaultMaxFrame       = 256 << 20
	DefaultMaxWait        = 500 * time.Millisecond
	DefaultDialTimeout    = 5 * time.Second
	DefaultRequestTimeout = 15 * time.Second
	DefaultBackoffMin     = 50 * time.Millisecond
	DefaultBackoffMax     = 5 * time.Second
	DefaultMetadataTTL    = 5 * time.Second
)

const (
	// maxFrameLimit is the largest frame that the protocol's signed 32-bit size can name.
	maxFrameLimit = 1<<31 - 1
	// maxWaitLimit keeps a long poll far from the end of the protocol's 32-bit milliseconds.
	maxWaitLimit = time.Hour
)

// Options say which log to read and how. Only Brokers and Topic are required.
type Options struct {
	Brokers  []string // host:port of one broker or more
	Topic    string
	ClientID string
	Group    string // the group under which the resume point is published; empty publishes nothing
	TLS      TLSOptions
	SASL     SASLOptions

	// MaxBytes is what one fetch asks for. A single batch larger than it is still fetched,
	// and of compressed batches up to twice as much is handed out at once; then less is asked for.
	MaxBytes int
	// MaxFrame bounds what is held of one answer, and of one batch after decompression.
	MaxFrame int
	// MaxWait is how long the broker may hold a fetch at the log's end.
	MaxWait time.Duration
	// DialTimeout bounds connecting, TLS and SASL together.
	DialTimeout time.Duration
	// RequestTimeout bounds one request, on top of MaxWait for a fetch.
	RequestTimeout time.Duration
	// BackoffMin and BackoffMax bound the pause between two attempts.
	BackoffMin, BackoffMax time.Duration
	// MetadataTTL is how long the topic's leader and partition count are believed.
	MetadataTTL time.Duration
}

// TLSOptions say whether and how connections are encrypted. Files are PEM.
type TLSOptions struct {
	Enabled    bool
	CAFile     string // empty: the system's authorities
	CertFile   string // with KeyFile: the client's own certificate
	KeyFile    string
	ServerName string // empty: the host of the broker's address
}

// The mechanisms of SASLOptions.
const (
	SASLNone        = ""
	SASLPlain       = "plain"
	SASLScramSHA256 = "scram-sha-256"
	SASLScramSHA512 = "scram-sha-512"
)

// SASLOptions say who the host is towards the brokers.
type SASLOptions struct {
	Mechanism string
	Username  string
	Password  string
	// Reread returns the password as it is now; it is asked when the brokers refuse the login. Nil
	// keeps Password.
	Reread func() (string, error)
}

// Fill sets every field that is zero to its default.
func (o *Options) Fill() {
	o.ClientID = cmp.Or(o.ClientID, DefaultClientID)
	o.MaxBytes = cmp.Or(o.MaxBytes, DefaultMaxBytes)
	o.MaxFrame = cmp.Or(o.MaxFrame, DefaultMaxFrame)
	o.MaxWait = cmp.Or(o.MaxWait, DefaultMaxWait)
	o.DialTimeout = cmp.Or(o.DialTimeout, DefaultDialTimeout)
	o.RequestTimeout = cmp.Or(o.RequestTimeout, DefaultRequestTimeout)
	o.BackoffMin = cmp.Or(o.BackoffMin, DefaultBackoffMin)
	o.BackoffMax = cmp.Or(o.BackoffMax, DefaultBackoffMax)
	o.MetadataTTL = cmp.Or(o.MetadataTTL, DefaultMetadataTTL)
}

// Validate returns everything that is wrong with the options, each by the path of its setting.
func (o Options) Validate() error {
	o.Fill()
	var errs []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(len(o.Brokers) == 0, "source.brokers is empty: name at least one broker as host:port")
	for _, b := range o.Brokers {
		_, port, err := net.SplitHostPort(b)
		number, none := strconv.ParseUint(port, 10, 16)
		user := strings.Contains(b, "@") // which may have a password with it: it is not shown
		refuse(user, "source.brokers: one has a user before an @: write host:port alone, and the user into source.sasl")
		refuse((err != nil || none != nil || number == 0) && !user, "source.brokers: %q is not host:port", b)
	}
	refuse(o.Topic == "", "source.topic is empty: name the certification topic")
	refuse(o.MaxBytes < 0, "source.max_bytes: %d is negative", o.MaxBytes)
	refuse(o.MaxFrame < o.MaxBytes, "source.max_frame: %d is below source.max_bytes %d", o.MaxFrame, o.MaxBytes)
	refuse(o.MaxFrame > maxFrameLimit, "source.max_frame: %d is above %d", o.MaxFrame, maxFrameLimit)
	refuse(o.MaxWait < 0 || o.DialTimeout < 0 || o.RequestTimeout < 0 || o.MetadataTTL < 0, "source: a duration is negative")
	refuse(o.BackoffMin < 0 || o.BackoffMax < o.BackoffMin, "source: back-off: %v..%v is no range", o.BackoffMin, o.BackoffMax)
	refuse(o.MaxWait > maxWaitLimit, "source.max_wait: %v is above %v", o.MaxWait, maxWaitLimit)
	if pair := (o.TLS.CertFile == "") == (o.TLS.KeyFile == ""); pair {
		_, err := o.TLS.config()
		refuse(err != nil, "source.%w", err)
	} else {
		refuse(true, "source.tls: cert_file and key_file go together")
	}
	errs = append(errs, o.SASL.validate())
	return errors.Join(errs...)
}

func (s SASLOptions) validate() error {
	switch s.Mechanism {
	case SASLNone:
		return nil
	case SASLPlain, SASLScramSHA256, SASLScramSHA512:
		if s.Username == "" {
			return errors.New("source.sasl: no username")
		}
		if _, err := s.mechanism(); err != nil {
			return fmt.Errorf("source.sasl: %w", err)
		}
		return nil
	default:
		return fmt.Errorf("source.sasl: mechanism %q is none of %s, %s, %s", s.Mechanism, SASLPlain, SASLScramSHA256, SASLScramSHA512)
	}
}
