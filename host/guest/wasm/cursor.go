package wasm

import (
	"fmt"
	"unicode/utf8"
)

// FormatError is why bytes are no module that this package can read.
type FormatError struct {
	At      int    // offset in the module
	What    string // what was found there
	TooMany bool   // it may be a module, and has more of something than is allowed
}

// Error implements error.
func (e *FormatError) Error() string { return fmt.Sprintf("at byte %d: %s", e.At, e.What) }

// cursor reads a binary from at to the end of b. The first error stays, and everything
// read after it is zero.
type cursor struct {
	b    []byte
	at   int
	room int // what may be counted is twice as much, so many times over
	err  *FormatError
}

func (c *cursor) fail(at int, format string, args ...any) {
	if c.err == nil {
		c.err = &FormatError{At: at, What: fmt.Sprintf(format, args...)}
	}
	c.at = len(c.b)
}

// tooMany refuses so many of something.
func (c *cursor) tooMany(at int, n uint64, what string, most uint64) {
	if c.err == nil {
		c.fail(at, "%d %s, at most %d are allowed", n, what, most)
		c.err.TooMany = true
	}
}

func (c *cursor) more() bool { return c.err == nil && c.at < len(c.b) }

func (c *cursor) byte() byte {
	if c.at >= len(c.b) {
		c.fail(c.at, "the binary ends too early")
		return 0
	}
	b := c.b[c.at]
	c.at++
	return b
}

// bytes returns the next n bytes, in place.
func (c *cursor) bytes(n uint32) []byte {
	if uint64(n) > uint64(len(c.b)-c.at) {
		c.fail(c.at, "%d bytes are said to follow, %d do", n, len(c.b)-c.at)
		return nil
	}
	b := c.b[c.at : c.at+int(n)]
	c.at += int(n)
	return b
}

func (c *cursor) u32() uint32 {
	// Nearly every number of a module has one byte.
	if c.at < len(c.b) && c.b[c.at] < 0x80 {
		c.at++
		return uint32(c.b[c.at-1])
	}
	return uint32(c.unsigned(32))
}

// unsigned reads a LEB128 number of at most so many bits.
func (c *cursor) unsigned(bits int) (n uint64) {
	from := c.at
	for shift := 0; ; shift += 7 {
		b := c.byte()
		if left := bits - shift; left < 7 && b>>left != 0 {
			c.fail(from, "a number of more than %d bits", bits)
			return 0
		}
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
}

// signed reads a signed LEB128 number of at most so many bits.
func (c *cursor) signed(bits int) (n int64) {
	from := c.at
	for shift := 0; ; shift += 7 {
		b := c.byte()
		if left := bits - shift; left < 7 {
			// The bits above the sign must repeat it, and no byte may follow.
			if top := int8(b<<1) >> left; b >= 0x80 || top != 0 && top != -1 {
				c.fail(from, "a number of more than %d bits", bits)
				return 0
			}
		}
		n |= int64(b&0x7f) << shift
		if b < 0x80 {
			if b&0x40 != 0 && shift+7 < 64 {
				n |= -1 << (shift + 7)
			}
			return n
		}
	}
}

// count reads how many entries follow, of which there may be so many. Every entry has a byte
// at least, so a larger count is a lie.
func (c *cursor) count(what string, most uint64) int {
	at := c.at
	n := c.u32()
	if most <<= c.room; uint64(n) > most {
		c.tooMany(at, uint64(n), what, most)
		return 0
	}
	if uint64(n) > uint64(len(c.b)-c.at) {
		c.fail(at, "%d %s are said to follow in %d bytes", n, what, len(c.b)-c.at)
		return 0
	}
	return int(n)
}

func (c *cursor) name() string {
	at := c.at
	b := c.bytes(c.u32())
	if !utf8.Valid(b) {
		c.fail(at, "a name is not UTF-8")
		return ""
	}
	return string(b)
}
