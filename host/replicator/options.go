package replicator

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Options bound the core. The zero value of a field means its default.
type Options struct {
	Lanes         int   // database connections that install
	GroupMax      int   // most versions of a group
	GroupBytesMax int   // most bytes of a group
	Conversions   int   // conversion tasks under way at once
	ConvertMax    int   // most versions of a conversion task
	Memory        int   // bytes that suffix, queue and frames may take
	PoisonBreaker int   // versions in a row that one SQLSTATE makes poison before it is taken for the database's
	LockWait      int64 // ns; the longest that a statement waits for a lock, after several tries
	AheadAfter    int64 // ns that a version is waited for, undecided or converting, before others that do not conflict with it go ahead
	Order         Order // what goes ahead of a version that cannot go itself
	Beat          int64 // ns between two questions to an idle connection; below 0 is never
	Probation     Probation
	Seed          uint64 // of the jitter

	overhead int // bytes that a candidate counts in the suffix beside its payload; tests make it large
}

// Probation says when a generation that took over is taken back by itself. The zero value is never.
type Probation struct {
	// Versions is how many the new one converts before it is believed; 0 is no probation. The counts of
	// the one before are those of as many, or up to twice as many, that it converted last.
	Versions int
	// Rejects is how many versions more than the one before the new one may leave unconverted, or make
	// statements of that the database refuses.
	Rejects int
	// Fuel is how many times as much as the one before the new one may burn for a version, once it has
	// converted a tenth of Versions; 0 is any.
	Fuel float64
	// Time is how many times as long as the one before the new one may take for a version, when it has
	// converted all of Versions: the first calls of a module are slow. Up to 500 us it is never too long. 0 is any.
	Time float64
}

// The defaults of a probation.
const (
	DefaultProbationVersions = 1000
	DefaultProbationFuel     = 3
	DefaultProbationTime     = 10
)

// Order is what may go ahead of a version that is held, undecided or slow.
type Order string

// The orders.
const (
	OrderKeys    Order = "keys"    // whatever shares no key with it that either writes
	OrderVersion Order = "version" // nothing: for guests that write rows which are in no write set
)

// The defaults, and the core's fixed times in nanoseconds.
const (
	DefaultLanes         = 4
	DefaultGroupMax      = 512
	DefaultGroupBytesMax = 1 << 20
	DefaultConversions   = 2
	DefaultConvertMax    = 256
	DefaultMemory        = 256 << 20
	DefaultPoisonBreaker = 100
	DefaultLockWait      = 5e9
	DefaultBeat          = 15e8
	DefaultAheadAfter    = 250e6

	minMemory = 8 << 20

	flushDelay   = 10e6 // settled-without-effects versions reach the snapshot within this
	resumeDelay  = 1e9  // the resume point alone moves at most this often
	publishDelay = 1e9
	retryMin     = 50e6 // back-off of lanes and of contended versions
	retryMax     = 5e9
	groupTime    = 1e9   // that a group should take at most
	lockWait     = 100e6 // of a first try; the installer's sessions begin with it
	aloneAfter   = 8     // contended this often, a version goes alone
	timeoutsMax  = 3     // a version that timed out this often alone is poison, and so is
	conflictsMax = 5     // one whose statements say this often alone that they could not be serialized
	lackedMax    = 5     // or for which alone the database lacked something this often, while it took others
	lostMax      = 3     // a group whose session ended with it this often goes in halves
	askedMax     = 2     // questions with one version while the database refuses everything; then it is held
	cureFirst    = 5e9   // a curable version that is held is tried again after this, and
	cureMax      = 300e9 // after twice as long each time, up to this

	suffixOverhead     = 144     // bytes a candidate takes in the suffix beside its payload
	keyBytes           = 8       // of a key in the suffix
	quarantineMax      = 256     // rows of one Quarantine
	answersMax         = 256     // answers of one Respond
	refusedMax         = 1 << 16 // refused versions that are remembered
	refetchVersionsMax = 8192    // versions of a Refetch
	holesMax           = 1 << 16 // ranges of positions that are remembered to be empty
	settledMax         = 1 << 16 // settled decisions that are remembered
)

// Fill sets every field that is zero to its default.
func (o *Options) Fill() {
	o.Lanes = cmp.Or(o.Lanes, DefaultLanes)
	o.GroupMax = cmp.Or(o.GroupMax, DefaultGroupMax)
	o.GroupBytesMax = cmp.Or(o.GroupBytesMax, DefaultGroupBytesMax)
	o.Conversions = cmp.Or(o.Conversions, DefaultConversions)
	o.ConvertMax = cmp.Or(o.ConvertMax, DefaultConvertMax)
	o.Memory = cmp.Or(o.Memory, DefaultMemory)
	o.PoisonBreaker = cmp.Or(o.PoisonBreaker, DefaultPoisonBreaker)
	o.LockWait = cmp.Or(o.LockWait, DefaultLockWait)
	o.AheadAfter = cmp.Or(o.AheadAfter, DefaultAheadAfter)
	o.Order = cmp.Or(o.Order, OrderKeys)
	o.Beat = cmp.Or(o.Beat, DefaultBeat)
	o.overhead = cmp.Or(o.overhead, suffixOverhead)
}

// Validate returns what is wrong with the options, each by its setting's name.
func (o Options) Validate() error {
	o.Fill()
	var errs []error
	between := func(name string, n, least, most int) {
		if n < least || n > most {
			errs = append(errs, fmt.Errorf("%s is %d: choose between %d and %d", name, n, least, most))
		}
	}
	between("installer.lanes", o.Lanes, 1, 64)
	between("installer.group_max", o.GroupMax, 1, 1000)
	between("installer.group_bytes_max", o.GroupBytesMax, 1, 4<<20)
	between("installer.poison_breaker", o.PoisonBreaker, 1, 1<<30)
	between("installer.ahead_after", int(o.AheadAfter/1e6), 0, 3_600_000)
	if o.Order != OrderKeys && o.Order != OrderVersion {
		errs = append(errs, fmt.Errorf("installer.order is %q: choose %s or %s", o.Order, OrderKeys, OrderVersion))
	}
	between("guests.probation.versions", o.Probation.Versions, 0, 1_000_000)
	between("guests.probation.rejects", o.Probation.Rejects, 0, 1_000_000)
	for _, factor := range []float64{o.Probation.Fuel, o.Probation.Time} {
		if factor != 0 && !(factor > 1 && factor <= 1e6) { // NaN neither
			errs = append(errs, fmt.Errorf("guests.probation has the factor %v: choose 0 for any, or a number above 1 and up to 1000000", factor))
		}
	}
	between("limits.memory", o.Memory, minMemory, 1<<40)
	return errors.Join(errs...)
}

// The shares of Options.Memory. The rest is for fetched batches and frames under way.
func (o *Options) queueHigh() int       { return o.Memory / 16 }
func (o *Options) queueLow() int        { return o.Memory / 32 }
func (o *Options) payloadMax() int      { return o.Memory / 8 }
func (o *Options) suffixMax() int       { return o.Memory / 8 * 5 }
func (o *Options) refetchBytesMax() int { return o.Memory / 32 }

// Start is what the database and the log say when the core begins.
type Start struct {
	Snapshot talos.Version
	Resume   talos.Position
	Anchor   talos.Anchor // of the newest record below Resume
	Ledger   []talos.Version
	Held     []talos.Version // in quarantine, and not ended
	// Requests of operators that are not ended, in their order, and the versions that were abandoned.
	Requests  []Request
	Abandoned []talos.Version
	// Guests holds for each guest which generation converts from which version on, ascending;
	// the first entry covers everything.
	Guests [][]Cut
	// Trials are the guests whose newest generation is on probation still, and the one that is taken back to.
	// That is loaded, and none of the cuts' where it need not convert anything now.
	Trials []Trial
}

// Trial is a probation that goes on after a start: that of the newest generation of a guest.
type Trial struct {
	Guest  cohort.GuestID
	Before cohort.Generation
}

// Cut says that from a version on a generation converts. Recorded says that the guest
// history has it.
type Cut struct {
	From       talos.Version
	Generation cohort.Generation
	Recorded   bool
}
