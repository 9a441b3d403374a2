package admin

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"sort"
	"strconv"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Reader is what a listener asks of its host. The methods may be called from any goroutine; the values are
// written as JSON.
type Reader interface {
	Status() status.Status
	Readiness() status.Readiness
	Journeys() Journeys
	// JourneysOf returns those of an xid that the host still keeps, the newest first.
	JourneysOf(talos.XID) []*timing.Journey
	Samples() []status.Sample
	// Version fails when the host does not run.
	Version(context.Context, talos.Version) (status.Version, error)
	// XID returns the versions of the candidates with an xid, in their order: one that was sent again has
	// several. The error is a *status.UnknownError when none is known.
	XID(context.Context, talos.XID) ([]status.Version, error)
	Quarantine(context.Context, installer.Filter) ([]installer.Held, error)
	// Held returns one row of the quarantine; nil where there is none.
	Held(context.Context, talos.Version) (*HeldVersion, error)
	// Requests returns those with an id, or the newest; Audit the newest rows.
	Requests(ctx context.Context, ids []int64) ([]installer.Request, error)
	LatestRequests(ctx context.Context, limit int) ([]installer.Request, error)
	Audit(ctx context.Context, limit int) ([]installer.AuditRow, error)
	// Guests returns at most so many events.
	Guests(ctx context.Context, limit int) (Guests, error)
}

func (s *site) alive(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]bool{"alive": true})
}

func (s *site) readiness(w http.ResponseWriter, _ *http.Request) {
	readiness := s.host.Readiness()
	code := http.StatusOK
	if !readiness.Ready {
		code = http.StatusServiceUnavailable
	}
	write(w, code, readiness)
}

func (s *site) me(w http.ResponseWriter, r *http.Request) { write(w, http.StatusOK, callerOf(r)) }

func (s *site) status(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, s.host.Status())
}

// samples answers those after the instant ?after_ns, so that who looks each second is not sent them all.
func (s *site) samples(w http.ResponseWriter, r *http.Request) {
	all := s.host.Samples()
	seen := valueOf(r, afterNS, parseInstant, math.MinInt64)
	all = all[sort.Search(len(all), func(i int) bool { return all[i].At > seen }):]
	write(w, http.StatusOK, Samples{append([]status.Sample{}, all...)})
}

// journeys answers the recent and the slowest, at most ?limit of each, or those of ?xid.
func (s *site) journeys(w http.ResponseWriter, r *http.Request) {
	n, j := limit(r), s.host.Journeys()
	if id, ok := talos.ParseXID(r.URL.Query().Get(ofXID.name)); ok {
		j = Journeys{Recent: append([]*timing.Journey{}, s.host.JourneysOf(id)...), Slowest: []*timing.Journey{}}
	}
	write(w, http.StatusOK, Journeys{j.Recent[:min(n, len(j.Recent))], j.Slowest[:min(n, len(j.Slowest))]})
}

// numbered reads a version of the path; false when that is wrong, which is answered then.
func numbered(w http.ResponseWriter, r *http.Request) (talos.Version, bool) {
	number, err := parseVersion(r.PathValue("version"))
	if err != nil {
		fail(w, http.StatusBadRequest, "a version is a number")
		return 0, false
	}
	return number, true
}

func (s *site) version(w http.ResponseWriter, r *http.Request) {
	if number, ok := numbered(w, r); ok {
		v, err := s.host.Version(r.Context(), number)
		answer(w, v, err)
	}
}

func (s *site) xid(w http.ResponseWriter, r *http.Request) {
	id, ok := talos.ParseXID(r.PathValue("xid"))
	if !ok {
		fail(w, http.StatusBadRequest, "an xid is a UUID")
		return
	}
	versions, err := s.host.XID(r.Context(), id)
	answer(w, XID{r.PathValue("xid"), versions}, err)
}

// answer writes a value, or why there is none.
func answer(w http.ResponseWriter, value any, err error) {
	var unknown *status.UnknownError
	switch {
	case errors.As(err, &unknown):
		fail(w, http.StatusNotFound, err.Error())
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err.Error())
	default:
		write(w, http.StatusOK, value)
	}
}

// quarantine answers what is held, of which it shows ?limit above ?after.
func (s *site) quarantine(w http.ResponseWriter, r *http.Request) {
	n, query := limit(r), r.URL.Query()
	filter := installer.Filter{Kind: query.Get(ofKind.name), Code: query.Get(ofCode.name), Ended: valueOf(r, ended, parseTruth, false)}
	held, err := s.host.Quarantine(r.Context(), filter)
	q := Quarantine{Reasons: reasonsOf(held)}
	from, _ := slices.BinarySearchFunc(held, valueOf(r, after, parseVersion, 0)+1, func(h installer.Held, v talos.Version) int { return int(int64(h.Version) - int64(v)) })
	shown := held[from:]
	if len(shown) > n {
		shown = shown[:n]
		if n > 0 {
			q.Next = shown[n-1].Version
		}
	}
	q.Versions = append([]installer.Held{}, shown...)
	answer(w, q, err)
}

func (s *site) heldVersion(w http.ResponseWriter, r *http.Request) {
	number, ok := numbered(w, r)
	if !ok {
		return
	}
	h, err := s.host.Held(r.Context(), number)
	if err == nil && h == nil {
		fail(w, http.StatusNotFound, "the version is not in the quarantine: see /v1/versions/"+number.String())
		return
	}
	answer(w, h, err)
}

func (s *site) requests(w http.ResponseWriter, r *http.Request) {
	all, err := s.host.LatestRequests(r.Context(), limit(r))
	answer(w, Requests{append([]installer.Request{}, all...)}, err)
}

func (s *site) request(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		fail(w, http.StatusBadRequest, "an id of a request is a number above 0")
		return
	}
	all, err := s.host.Requests(r.Context(), []int64{id})
	if err == nil && len(all) == 0 {
		fail(w, http.StatusNotFound, "there is no such request")
		return
	}
	answer(w, append(all, installer.Request{})[0], err)
}

func (s *site) audit(w http.ResponseWriter, r *http.Request) {
	rows, err := s.host.Audit(r.Context(), limit(r))
	answer(w, Audit{append([]installer.AuditRow{}, rows...)}, err)
}

func (s *site) guests(w http.ResponseWriter, r *http.Request) {
	g, err := s.host.Guests(r.Context(), limit(r))
	answer(w, g, err)
}
