package guest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
)

// Passes remembers that a module passed every check, so that it is not checked again at each
// start. Whoever can write there can let any SQL pass: it must be where guests cannot write,
// and who may write guests or compiled code cannot either.
type Passes interface {
	// Passed reports whether the check of this name was passed before.
	Passed(ctx context.Context, check string) (bool, error)
	// KeepPassed remembers it; guest and digest are for people.
	KeepPassed(ctx context.Context, check, guest, digest string) error
}

// checkName names the check of the module by all that its result depends on: the module, the
// options, and this program with its rules, its compiler and its parser.
func (g *Generation) checkName() string {
	options := g.options
	options.Instances, options.CacheDir, options.Padding = 0, "", 0 // they change no result, or the guest is not right
	text, err := json.Marshal(options)
	if err != nil {
		panic(fmt.Sprintf("guest: options have become something that JSON cannot say: %v", err))
	}
	return nameOf([]byte("check"), g.digest[:], text, program())
}

// compileKey names the module's compiled code.
func (g *Generation) compileKey() string { return nameOf([]byte("code"), g.digest[:], program()) }

// nameOf makes a name of parts that do not run into one another.
func nameOf(parts ...[]byte) string {
	sum := sha256.New()
	for _, part := range parts {
		_, _ = sum.Write(binary.AppendUvarint(nil, uint64(len(part)))) // a hash takes everything
		_, _ = sum.Write(part)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// program identifies the binary that runs, by its bytes. One that cannot read itself is like
// no other: what it finds out is known to nobody later.
var program = sync.OnceValue(func() []byte {
	sum := sha256.New()
	file, err := os.Open(selfPath())
	if err == nil {
		_, err = io.Copy(sum, file)
		_ = file.Close() // it was only read
	}
	if err != nil {
		return []byte(rand.Text())
	}
	return sum.Sum([]byte(runtime.GOOS + "/" + runtime.GOARCH))
})

// cachedPass asks whether the module passed its checks before. Not to know costs seconds alone.
func (g *Generation) cachedPass(ctx context.Context, check string) bool {
	if g.options.Passes == nil {
		return false
	}
	known, err := g.options.Passes.Passed(ctx, check)
	if err != nil {
		g.log.Warn("whether the guest passed its checks before cannot be asked: it is checked again", "error", err)
	}
	return known && err == nil
}

func (g *Generation) keepPass(ctx context.Context, check string) {
	if g.options.Passes == nil {
		return
	}
	if err := g.options.Passes.KeepPassed(ctx, check, g.name, g.digest.String()); err != nil {
		g.log.Warn("that the guest passed its checks cannot be kept: the next start checks it again", "error", err)
	}
}
