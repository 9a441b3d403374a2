package stage

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// The examples, and the names of their guests, which the routes speak of.
const (
	Banking = "banking"
	Orders  = "orders"
)

// Guests makes guests that do the same and differ in their bytes, and puts one after the other
// into the directory that the hosts watch. Its methods are for one goroutine at a time.
type Guests struct {
	Name   string // of the guest
	dir    string
	module []byte
	placed []string // digests, in their order
}

// File returns the path of the guest's module.
func (g *Guests) File() string { return filepath.Join(g.dir, g.Name+".wasm") }

// Place replaces the guest by one that was never placed.
func (g *Guests) Place() (digest string, err error) {
	return g.PlaceOther(Stamped(g.module, len(g.placed)))
}

// PlaceInTurn replaces the guest by the next of so many, which come again and again. Each is written once, beside the
// directory, and linked into it from then on: the commits of a database on the same disk wait for the bytes of a new file.
func (g *Guests) PlaceInTurn(of int) (digest string, err error) {
	number := len(g.placed) % of
	module := Stamped(g.module, number)
	kept := filepath.Join(g.dir+"-in-turn", strconv.Itoa(number))
	if _, err := os.Stat(kept); err != nil {
		if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
			return "", fmt.Errorf("place a guest: %w", err)
		}
		if err := os.WriteFile(kept, module, 0o644); err != nil {
			return "", fmt.Errorf("place a guest: %w", err)
		}
	}
	return g.place(module, func(next string) error { return os.Link(kept, next) })
}

// PlaceOther replaces the guest by another.
func (g *Guests) PlaceOther(module []byte) (digest string, err error) {
	return g.place(module, func(next string) error { return os.WriteFile(next, module, 0o644) })
}

// place replaces the guest by a module. A host must never see half a file, so it is made beside and renamed.
func (g *Guests) place(module []byte, as func(next string) error) (digest string, err error) {
	sum := sha256.Sum256(module)
	digest = hex.EncodeToString(sum[:])
	next := g.File() + ".next"
	if err := as(next); err != nil {
		return "", fmt.Errorf("place a guest: %w", err)
	}
	if err := os.Rename(next, g.File()); err != nil {
		return "", fmt.Errorf("place a guest: %w", err)
	}
	g.placed = append(g.placed, digest)
	return digest, nil
}

// Placed returns the digests of the guests that were placed, in their order; there is one from
// the beginning.
func (g *Guests) Placed() []string { return slices.Clone(g.placed) }

// Stamped returns the module with a custom section more, which is never run: one of another digest.
//
//	0x00 | size | length of name | name | text
func Stamped(module []byte, number int) []byte {
	const name = "ichor.stage"
	body := append([]byte{byte(len(name))}, name...)
	body = strconv.AppendInt(body, int64(number), 10)
	out := slices.Clone(module)
	out = append(out, 0)
	out = binary.AppendUvarint(out, uint64(len(body)))
	return append(out, body...)
}
