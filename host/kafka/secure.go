package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// config returns the TLS configuration that the options describe, nil when TLS is off.
func (t TLSOptions) config() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca_file: %s holds no certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("tls.cert_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// mechanism returns kafka-go's mechanism for the options, nil when SASL is off. Its error shows
// nothing of the password.
func (s SASLOptions) mechanism() (m sasl.Mechanism, err error) {
	switch s.Mechanism {
	case SASLPlain:
		return plain.Mechanism{Username: s.Username, Password: s.Password}, nil
	case SASLScramSHA256:
		m, err = scram.Mechanism(scram.SHA256, s.Username, s.Password)
	case SASLScramSHA512:
		m, err = scram.Mechanism(scram.SHA512, s.Username, s.Password)
	}
	if err != nil {
		return nil, errors.New("the username or the password has characters that SCRAM forbids")
	}
	return m, nil
}

// rereadPassword takes a password that was changed, for the next transport.
func (l *Log) rereadPassword() {
	if l.opts.SASL.Reread == nil {
		return
	}
	fresh := l.opts.SASL
	var err error
	if fresh.Password, err = l.opts.SASL.Reread(); err != nil {
		l.log.Warn("the brokers refused the login, and the password could not be read again", "error", err)
		return
	}
	m, err := fresh.mechanism()
	if err != nil {
		l.log.Warn("the brokers refused the login, and the password that was read again is of no use", "error", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sasl = m
}
