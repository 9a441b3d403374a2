package replay

import (
	"fmt"

	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// RangeError says that a range has no versions that can be converted.
type RangeError struct {
	Range Range
	Why   string
}

// Error implements error.
func (e *RangeError) Error() string {
	return fmt.Sprintf("versions %d to %d: %s", e.Range.From, e.Range.To, e.Why)
}

// emptyRange says why a range that ends before it begins does.
func emptyRange(given Range, snapshot talos.Version) string {
	switch {
	case given.To == 0 && given.From > snapshot:
		return fmt.Sprintf("the snapshot is %d, and what lies above it is installed in part at most: begin below it, or say with --to how far to go", snapshot)
	case given.To == 0:
		return fmt.Sprintf("the snapshot is %d: what lies above it is installed in part at most; say with --to how far to go", snapshot)
	}
	return "the range ends before it begins"
}

func endOfLog(end talos.Position) string {
	return fmt.Sprintf("the log ends at position %d: nothing is known of what comes then", end)
}

// noneCommitted says what there is instead of committed versions.
func noneCommitted(span Range, class books.Class) string {
	switch {
	case span.From != span.To:
		return "none of them is committed and has anything to convert"
	case class == "":
		return "at this position stands no candidate"
	}
	return fmt.Sprintf("it is not committed with anything to convert: it is %s", class)
}

// UndecidedError says that a version of the range has no decision.
type UndecidedError struct{ Version talos.Version }

// Error implements error.
func (e *UndecidedError) Error() string {
	return fmt.Sprintf("version %d is not committed: it has no decision yet, and the range would not be the same once it has: end it with --to %d", e.Version, e.Version-1)
}

// BelowStartError says that a range begins below what the log still has.
type BelowStartError struct {
	From  talos.Version
	Start talos.Position
}

// Error implements error.
func (e *BelowStartError) Error() string {
	return fmt.Sprintf("the range begins at version %d, and the log at position %d: what lies between is gone; begin with --from %d, or give a recording that has it with --log", e.From, e.Start, max(1, e.Start))
}

// HistoryError says that the history names no module of a guest.
type HistoryError struct {
	Guest   string
	Version talos.Version // 0 for none at all
}

// Error implements error.
func (e *HistoryError) Error() string {
	if e.Version == 0 {
		return fmt.Sprintf("the history names no module of guest %s: no host has installed anything that it converted, and there is nothing to compare with", e.Guest)
	}
	return fmt.Sprintf("the history names no module of guest %s for version %d: another replicator installed it; begin the range where the history does", e.Guest, e.Version)
}

// ModuleError says that the database does not have a module that the history names.
type ModuleError struct {
	Guest   string
	Digest  string
	Version talos.Version // the first of the range that it converted
}

// Error implements error.
func (e *ModuleError) Error() string {
	return fmt.Sprintf("version %d was converted by guest %s of digest %s, and ichor.guest_module does not have that module any more: begin the range where a later one converts", e.Version, e.Guest, e.Digest)
}

// ScratchError says that the scratch database cannot be the start of a replay of the range.
type ScratchError struct{ Why string }

// Error implements error.
func (e *ScratchError) Error() string { return "the scratch database " + e.Why }
