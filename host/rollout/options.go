package rollout

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
)

// Options say which guest converts what.
type Options struct {
	// Directory holds a file NAME.wasm for each guest of Routes; it is watched.
	Directory string
	Routes    []Route
	// Unrouted is what becomes of a committed candidate that no route gives to a guest. One whose items go to several, or
	// only in part to one, is poison.
	Unrouted UnroutedPolicy
	Limits   guest.Options
	// Carrier brings guests' files into Directory; nil where nothing is to be brought.
	Carrier Carrier
	// Trust says whose modules are taken.
	Trust trust.Policy
	// Probation says that new modules have one: then the module before is loaded as long as one may be
	// taken back.
	Probation bool
	Shadow    Shadow
	// Keep is how many modules of a guest, the newest, the database keeps besides those that are needed.
	Keep int
	// Poll is how often the directory is looked at besides being watched.
	Poll time.Duration
}

// UnroutedPolicy is what becomes of a committed candidate that no guest converts.
type UnroutedPolicy string

// The policies.
const (
	UnroutedPoison UnroutedPolicy = "poison"
	UnroutedIgnore UnroutedPolicy = "ignore"
)

// DefaultPoll is how often the directory is looked at besides being watched.
const DefaultPoll = 2 * time.Second

// DefaultKeep is how many modules of a guest the database keeps.
const DefaultKeep = 10

// confirmed is how differences are named.
var confirmed = regexp.MustCompile("^sha256:[0-9a-f]{64}$")

// mostShadow bounds the versions that are compared: each is remembered.
const mostShadow = 1_000_000

// Fill sets every field that is zero to its default.
func (o *Options) Fill() {
	o.Unrouted = cmp.Or(o.Unrouted, UnroutedPoison)
	o.Poll = cmp.Or(o.Poll, DefaultPoll)
	o.Keep = cmp.Or(o.Keep, DefaultKeep)
}

// Validate returns everything that is wrong with the options, each by the path of its setting.
func (o Options) Validate() error {
	o.Fill()
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Directory == "" {
		wrong("guests.directory is empty: name the directory with the guests' .wasm files")
	}
	if len(o.Routes) == 0 {
		wrong("guests.routes is empty: say which guest converts which cohort, as in {cohort: \"*\", guest: banking}")
	}
	if o.Shadow.Versions < 0 || o.Shadow.Versions > mostShadow || o.Shadow.Differences < 0 {
		wrong("guests.shadow: choose 0 to %d versions, and 0 or more differences", mostShadow)
	}
	for i, expected := range o.Shadow.Expected {
		if !confirmed.MatchString(expected) {
			wrong("guests.shadow.expected[%d] is no name of differences: write sha256: and 64 digits as ichor guest shadow shows them", i)
		}
	}
	if o.Unrouted != UnroutedPoison && o.Unrouted != UnroutedIgnore {
		wrong("guests.unrouted is %q: choose %s or %s", o.Unrouted, UnroutedPoison, UnroutedIgnore)
	}
	seen := map[place]bool{}
	for i, r := range o.Routes {
		if r.Cohort == "" || !isName(r.Guest) {
			wrong("guests.routes[%d]: name a cohort and a guest, the guest's name without directory and .wasm: up to %d printable characters, of which the first is no dot and no hyphen", i, longestName)
		}
		if seen[place{r.Cohort, r.Action}] {
			wrong("guests.routes[%d]: cohort %q has a route for %s already", i, r.Cohort, cmp.Or(r.Action, "every action"))
		}
		seen[place{r.Cohort, r.Action}] = true
	}
	for _, name := range slices.Sorted(maps.Keys(o.Trust.Pins)) {
		if !slices.ContainsFunc(o.Routes, func(r Route) bool { return r.Guest == name }) {
			wrong("guests.pins names %q, and no route does: write the guest's name as it is in guests.routes", name)
		}
		if len(o.Trust.Pins[name]) == 0 {
			wrong("guests.pins.%s is empty: write the module's digest, as in sha256:…", name)
		}
	}
	if o.Keep < 1 {
		wrong("guests.keep is %d: keep at least 1", o.Keep)
	}
	if err := o.Limits.Validate(); err != nil {
		wrong("%w", err)
	}
	return errors.Join(errs...)
}

// names returns the distinct guests of the routes, in their order; the index is the core's.
func (o Options) names() (names []string) {
	for _, r := range o.Routes {
		if !slices.Contains(names, r.Guest) {
			names = append(names, r.Guest)
		}
	}
	return names
}

// path returns the file of a guest.
func (o Options) path(name string) string {
	return filepath.Join(o.Directory, name+".wasm")
}

// longestName is how many bytes a guest's name may have: a file has it, with what a swap adds.
const longestName = 100

// isName reports whether a guest may have a name: it is a file's, stands in lines of logs and in commands.
func isName(name string) bool {
	odd := func(r rune) bool { return !unicode.IsPrint(r) || r == '/' || r == '\\' }
	return name != "" && len(name) <= longestName && utf8.ValidString(name) && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "-") &&
		!strings.HasSuffix(name, ".wasm") && !strings.ContainsFunc(name, odd)
}
