package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// guestName is the name of the guest that the routes speak of, and of its file.
const guestName = "banking"

// guestFiles makes guests that do the same and differ in their bytes, and puts one after the
// other into the folder that the host watches.
type guestFiles struct {
	dir    string
	module []byte
	made   []string // digests, in the order of their placing
}

// place replaces the guest by the next one. The host must never see half a file, so it is
// written beside and renamed.
func (g *guestFiles) place() (digest string, err error) {
	module := stamped(g.module, len(g.made))
	sum := sha256.Sum256(module)
	digest = hex.EncodeToString(sum[:])
	file := filepath.Join(g.dir, guestName+".wasm")
	if err := os.WriteFile(file+".next", module, 0o644); err != nil {
		return "", fmt.Errorf("place a guest: %w", err)
	}
	if err := os.Rename(file+".next", file); err != nil {
		return "", fmt.Errorf("place a guest: %w", err)
	}
	g.made = append(g.made, digest)
	return digest, nil
}

// newest returns the digest of the guest that was placed last; there is one from the beginning.
func (g *guestFiles) newest() string { return g.made[len(g.made)-1] }

// stamped returns the module with a custom section more, which no engine runs.
//
//	0x00 | size | length of name | name | text
func stamped(module []byte, number int) []byte {
	const name = "ichor.demo"
	body := append([]byte{byte(len(name))}, name...)
	body = strconv.AppendInt(body, int64(number), 10)
	out := append([]byte{}, module...)
	out = append(out, 0)
	out = binary.AppendUvarint(out, uint64(len(body)))
	return append(out, body...)
}
