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

// Passes is a cache of checks that a module has passed, so that it is not checked again at each start.
// Whoever can write to it can let any SQL pass. So it must be kept where neither guests nor those who
// may write modules or compiled code can write.
type Passes interface {
	// Passed reports whether the check of this name was passed before.
	Passed(ctx context.Context, check string) (bool, error)
	// KeepPassed remembers it; guest and digest are for people.
	KeepPassed(ctx context.Context, check, guest, digest string) error
}

// checkName returns the key of the module's check. It covers everything that the result depends on: the
// module, the options, and this program, which has the rules, the compiler and the parser in it.
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

// nameOf hashes the parts, each with its length, so that no two lists of parts have the same name.
func nameOf(parts ...[]byte) string {
	sum := sha256.New()
	for _, part := range parts {
		_, _ = sum.Write(binary.AppendUvarint(nil, uint64(len(part)))) // a hash takes everything
		_, _ = sum.Write(part)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// program is the hash of the running binary. If the binary cannot be read it is a random value, so that
// nothing that is cached is ever found again.
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

// cachedPass reports whether the module passed its checks before. If the cache cannot be asked, it
// reports false, and the module is checked again, which costs only seconds.
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
