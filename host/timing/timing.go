// Package timing records when a version passed each station of the pipeline.
//
// A Journey is a fixed array of instants, so recording allocates nothing. The names that
// leave the process are those of the reference replicator.
package timing

// Event is a station on a version's way. The order of the constants is the order in which
// a version passes them: a journey's instants never decrease along it.
type Event uint8

// The events. The two Guest events lie on either side of the call that converts the version.
const (
	ReplicatorCandidateReceived Event = iota
	ReplicatorDecisionReceived
	ReplicatorStatemapPicked
	GuestConversionBegin
	GuestConversionComplete
	QueueStatemapReceived
	QueueStatemapSent
	InstallerStatemapReceived
	InstallerStatemapInstallationBegin
	InstallerStatemapInstallationComplete
	SnapshotPersisted

	// Events is how many events there are.
	Events = iota
)

var names = [Events]string{
	"ReplicatorCandidateReceived",
	"ReplicatorDecisionReceived",
	"ReplicatorStatemapPicked",
	"GuestConversionBegin",
	"GuestConversionComplete",
	"QueueStatemapReceived",
	"QueueStatemapSent",
	"InstallerStatemapReceived",
	"InstallerStatemapInstallionBegin", // the reference's spelling
	"InstallerStatemapInstallationComplete",
	"SnapshotPersisted",
}

// String returns the event's name as the reference spells it.
func (e Event) String() string {
	if int(e) >= len(names) {
		return "Unknown"
	}
	return names[e]
}

// ParseEvent returns the event of that name, in the reference's spelling or the regular one.
func ParseEvent(name string) (Event, bool) {
	switch name {
	case "InstallerStatemapInstallationBegin":
		return InstallerStatemapInstallationBegin, true
	case "InstallerStatemapInstallionComplete":
		return InstallerStatemapInstallationComplete, true
	}
	for e, n := range names {
		if n == name {
			return Event(e), true
		}
	}
	return 0, false
}
