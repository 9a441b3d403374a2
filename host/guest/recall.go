package guest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
)

// verdict is something that was found out about a module once and would be found out again:
// an empty file in the cache folder, whose name is made of all that it depends on. Only good
// news is kept. The folder's owner is trusted with more, for compiled code lies beside it.
type verdict struct{ file string }

// verdict returns the place of a verdict that depends on these parts alone; without a cache
// folder it is never known.
func (g *Generation) verdict(name string, parts ...[]byte) verdict {
	if g.options.CacheDir == "" {
		return verdict{}
	}
	sum := sha256.New()
	for _, part := range parts {
		_, _ = sum.Write(binary.AppendUvarint(nil, uint64(len(part)))) // a hash takes everything
		_, _ = sum.Write(part)
	}
	return verdict{filepath.Join(g.options.CacheDir, name+"-"+hex.EncodeToString(sum.Sum(nil)))}
}

// known reports whether the verdict was given before.
func (v verdict) known() bool {
	if v.file == "" {
		return false
	}
	_, err := os.Stat(v.file)
	return err == nil
}

// keep remembers the verdict.
func (v verdict) keep() error {
	if v.file == "" {
		return nil
	}
	if err := os.WriteFile(v.file, nil, 0o600); err != nil {
		return fmt.Errorf("remember a verdict in the cache folder: %w", err)
	}
	return nil
}

// builtFrom is the version of a module that this program is built from, and its platform.
func builtFrom(module string) []byte {
	version := "unknown"
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, d := range build.Deps {
			if d.Path == module {
				version = d.Version
			}
		}
	}
	return []byte(version + " " + runtime.GOOS + "/" + runtime.GOARCH)
}
