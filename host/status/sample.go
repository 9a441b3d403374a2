package status

import "github.com/ichor-replicator/ichor/host/talos"

// Sample is what a host measured of itself in one second.
type Sample struct {
	At       int64          `json:"at_ns"`    // the end of that second, nanoseconds since the Unix epoch
	Ready    bool           `json:"ready"`    // as /readyz says it
	Snapshot talos.Version  `json:"snapshot"` // the version up to which all is installed
	Next     talos.Position `json:"next"`     // the position that is read next
	LogEnd   talos.Position `json:"log_end"`  // the one behind the newest record
	// Installed counts the versions that were installed in that second.
	Installed uint64 `json:"installed"`
	Suffix    int    `json:"suffix"`    // versions that wait for a decision, their own or an earlier one's
	Queue     int    `json:"queue"`     // versions that were forwarded and that the snapshot has not passed
	InFlight  int    `json:"in_flight"` // versions in transactions that are not confirmed yet
	Held      int    `json:"held"`      // versions that cannot be installed and hold the snapshot
	Bytes     int    `json:"bytes"`     // of memory that counts against limits.memory
	// Waited is how long the version that the snapshot waits for has been there, seconds; 0 where it waits for none.
	Waited float64 `json:"waited_seconds"`
	// P50 and P99 are of the times from reading a candidate to its commit, of the versions that were installed in that
	// second, seconds; 0 where none was.
	P50 float64 `json:"p50_seconds"`
	P99 float64 `json:"p99_seconds"` // see p50_seconds
}
