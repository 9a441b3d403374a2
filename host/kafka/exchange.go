package kafka

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// The fetch versions spoken: 4 brought isolation levels, 12 changes the encoding.
const (
	minFetchVersion = 4
	maxFetchVersion = 11
)

// exchange is a fetch request that reads its answer as raw bytes. kafka-go offers that
// to any request that implements protocol.RawExchanger.
//
// The reason is what kafka-go's own decoder does with a record set: it drops the
// error of every batch but the first, forgets each batch's last offset (without which the
// position after a compacted batch is unknown) and whether the broker set the time,
// and allocates for each header.
type exchange struct {
	*fetch.Request
	clientID string
	maxFrame int
	version  int16
	buffer   []byte // taken for the answer when it is large enough
}

var (
	_ protocol.BrokerMessage = (*exchange)(nil)
	_ protocol.RawExchanger  = (*exchange)(nil)
)

// Required implements protocol.RawExchanger: always, and it learns the negotiated version.
func (e *exchange) Required(versions map[protocol.ApiKey]int16) bool {
	e.version = versions[protocol.Fetch]
	return true
}

// RawExchange implements protocol.RawExchanger. kafka-go uses a connection for one
// exchange at a time, and closes it when this returns an error.
func (e *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if e.version < minFetchVersion || e.version > maxFetchVersion {
		return nil, fmt.Errorf("the broker's fetch version %d is not between %d and %d", e.version, minFetchVersion, maxFetchVersion)
	}
	const correlation = 1 // one request at a time: any fixed number does
	if err := protocol.WriteRequest(rw, e.version, correlation, e.clientID, e.Request); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(rw, size[:]); err != nil {
		return nil, err
	}
	n := int(int32(binary.BigEndian.Uint32(size[:])))
	if n < 4 || n > e.maxFrame {
		return nil, fmt.Errorf("fetch answer of %d bytes: not between 4 and max_frame %d", n, e.maxFrame)
	}
	frame := grow(e.buffer, n)
	if _, err := io.ReadFull(rw, frame); err != nil {
		return nil, err
	}
	if got := int32(binary.BigEndian.Uint32(frame)); got != correlation {
		return nil, fmt.Errorf("fetch answer to request %d, want %d", got, correlation)
	}
	return &answer{version: e.version, frame: frame}, nil
}

// answer is the broker's answer to an exchange: the frame after its size.
type answer struct {
	version int16
	frame   []byte
}

// ApiKey implements protocol.Message.
func (a *answer) ApiKey() protocol.ApiKey { return protocol.Fetch }

// grow returns a slice of n bytes, b's memory when it is large enough.
func grow(b []byte, n int) []byte {
	if cap(b) >= n {
		return b[:n]
	}
	return make([]byte, n)
}
