package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/admin"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// The modules of the fake host's guest.
var (
	oldModule = strings.Repeat("0bb052a75af8", 6)[:64]
	newModule = strings.Repeat("40ace93a7224", 6)[:64]
)

// fakeHost is a host in the middle of its work, of which a test decides what it holds. What is asked of it is kept.
type fakeHost struct {
	admin.Host // is nil: what the page does not ask for is missing

	began time.Time

	mu      sync.Mutex
	held    []installer.Held
	pause   *status.Pause
	waiting status.Reason // why the snapshot does not move at this instant
	standby bool
	loading bool // it has just begun, and loads its guests
	took    int  // so many seconds ago it took the cohort over; 0 for long ago
	never   bool // standing by, it never had the cohort
	alone   bool // no other stands by
	full    bool // it reads nothing more: it holds as much of what is decided, or standing by of the log, as it may
	version string
	shadow  bool
	// converting is the digest of the module that was last armed.
	converting string
	refusal    error // of whatever is asked for
	outcome    string
	requests   []installer.Request
	asked      []asked
}

// asked is what a listener asked for, with what it named.
type asked struct {
	installer.Request
	filter installer.Filter
}

// newFakeHost returns one with so many held versions: two in three whose SQL the database refused, one that its guest
// rejects.
func newFakeHost(held int) *fakeHost {
	h := &fakeHost{began: time.Now(), version: "v0.9.0", outcome: "done", converting: newModule}
	for i := range held {
		v := talos.Version(1_000_007 + 13*i)
		row := installer.Held{
			Version: v, Held: true, Kind: replicator.KindSQL, Code: "23505", Safepoint: v - 40, Digest: newModule, Cohort: "bank", Agent: "agent-1",
			XID: fmt.Sprintf("f100642e-5f9f-4e53-89a2-%012d", i), Times: 1 + i%3, FirstAt: h.began.Add(-time.Duration(held-i) * time.Minute), LastAt: h.began.Add(-time.Minute),
			Message: fmt.Sprintf(`duplicate key value violates unique constraint "bank_transfers_pkey" (statement 1, template "transfer", of version %d)`, v),
			Hash:    fmt.Sprintf("%012x", 0xa0000+i),
		}
		if i%3 == 2 {
			row.Kind, row.Code, row.Message = replicator.KindGuestReject, "17", "the account 0039 has another currency than 0029"
		}
		h.held = append(h.held, row)
	}
	return h
}

// ask keeps what is asked for, and says what became of it.
func (h *fakeHost) ask(r installer.Request, f installer.Filter) (installer.Request, error) {
	h.asked = append(h.asked, asked{r, f})
	if h.refusal != nil {
		return r, h.refusal
	}
	at := time.Now()
	r.ID, r.AskedAt = int64(len(h.requests)+1), at
	if h.outcome != "" {
		r.TakenAt, r.EndedAt, r.Outcome = &at, &at, h.outcome
	}
	h.requests = append(h.requests, r)
	return r, nil
}

// latest returns what was asked for last.
func (h *fakeHost) latest() (asked, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.asked) == 0 {
		return asked{}, 0
	}
	return h.asked[len(h.asked)-1], len(h.asked)
}

// with changes the host.
func (h *fakeHost) with(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// Status implements admin.Host: 1,000 versions a second are installed, and each other station has a speed of its own, so
// that none can be taken for another.
func (h *fakeHost) Status() status.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	done := uint64(time.Since(h.began) / time.Millisecond)
	s := status.Status{
		Version: h.version, Phase: status.PhaseRunning, Readiness: h.readiness(), Topic: "certification",
		Snapshot: talos.Version(1_000_000 + 4*done), Resume: talos.Position(999_000 + 4*done), Next: talos.Position(1_000_600 + 5*done), LogEnd: talos.Position(1_000_640 + 5*done),
		Suffix: status.Depth{Length: 12, Head: talos.Version(1_000_590 + 5*done)}, Queue: status.Depth{Length: 57, Head: talos.Version(1_000_001 + 4*done)},
		InFlight: 48, Held: len(h.held), Lanes: 4, LanesUp: 4, Bytes: 61 << 20, BytesMost: 256 << 20, Pause: h.pause, Paused: h.full,
		Guests: h.guests(),
		Counts: replicator.Stats{Candidates: 5*done + 5000, Committed: 4*done + 4800, Aborted: 200, Forwarded: 3*done + 4900, Converted: 2*done + 4850, Installed: done + 4800, Groups: done / 40, Poisoned: uint64(len(h.held)), PausedLongest: 3_000_000},
	}
	if h.waiting != "" {
		s.Waiting, s.Blocker = h.waiting, s.Suffix.Head
	}
	if len(h.held) > 0 {
		s.Snapshot, s.Waiting, s.Blocker = h.held[0].Version-1, status.PoisonHeld, h.held[0].Version
	}
	if h.standby || h.loading { // it has no core, and so none of its figures
		is := status.Condition{Phase: status.PhaseGuests}
		if h.standby {
			is = status.Condition{Phase: status.PhaseStandby, Tail: status.Tail{Next: s.Next, Bytes: 3 << 20, Full: h.full}, Log: status.Log{HighWatermark: s.LogEnd}}
		}
		s = status.Of(is, h.readiness(), s.Topic)
		s.Version, s.BytesMost, s.Guests = h.version, 256<<20, []status.Guest{}
	}
	return s
}

// Readiness implements admin.Host.
func (h *fakeHost) Readiness() status.Readiness {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.readiness()
}

func (h *fakeHost) readiness() status.Readiness {
	switch {
	case h.standby:
		return status.Readiness{Ready: true, Reason: status.Standby, Detail: "ichor-1 owns the cohort, with epoch 7"}
	case h.loading:
		return status.Readiness{Reason: status.LoadingGuests}
	case h.pause != nil:
		return status.Readiness{Reason: status.Paused, Detail: "by " + h.pause.Who + ": " + h.pause.Why}
	case len(h.held) > 0:
		return status.Readiness{Reason: status.PoisonHeld, Detail: fmt.Sprintf("version %d cannot be installed, %d are held, see ichor quarantine list", h.held[0].Version, len(h.held))}
	}
	return status.Readiness{Ready: true}
}

// Samples implements admin.Host: a quarter of an hour in which it works off a backlog of an outage.
func (h *fakeHost) Samples() []status.Sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now().Truncate(time.Second)
	all := make([]status.Sample, 900)
	for i := range all {
		at := now.Add(time.Duration(i-899) * time.Second)
		wave := int(at.Unix() % 60)
		s := status.Sample{
			At: at.UnixNano(), Ready: true, Installed: uint64(900 + 8*wave), Suffix: 4 + wave%17, Queue: 40 + wave, InFlight: 20 + wave%31, Held: len(h.held), Bytes: (40 + wave) << 20,
			Waited: float64(wave) / 4000, P50: 0.0022 + float64(wave)/50000, P99: 0.006 + float64(wave%13)/2000,
		}
		end := 1000 * at.Unix()
		s.Snapshot, s.Next, s.LogEnd = talos.Version(end-90), talos.Position(end-40), talos.Position(end)
		if i > 300 && i < 340 { // an outage
			s.Installed, s.P50, s.P99, s.Waited, s.Ready = 0, 0, 0, float64(i-300), false
		}
		if i > 300 && i < 620 {
			behind := min(i-300, 40) * 1000
			if i > 340 {
				behind = (620 - i) * 140
			}
			s.Snapshot -= talos.Version(behind)
			s.Next -= talos.Position(behind / 2)
		}
		if h.standby && (i >= 600 || h.never) || h.took > 0 && i < len(all)-h.took { // it measures nothing without the cohort, which a standby gave away five minutes ago
			s = status.Sample{At: s.At, Ready: true}
		}
		all[i] = s
	}
	return all
}

// passedUpTo is the version up to which the snapshot has passed what was installed.
const passedUpTo = 1_000_000

// journey is the way of a version, whose parts take longer for some.
func journey(v talos.Version, ms float64) *timing.Journey {
	j := &timing.Journey{Version: v, Attempts: 1, Guest: newModule, Details: &timing.Details{XID: "f100642e-5f9f-4e53-89a2-000000000007", Cohort: "bank", Fuel: 14_200, Statements: 2, Templates: []string{"transfer", "fee"}}}
	if v%5 == 0 {
		j.Attempts = 2
	}
	at := int64(1_790_000_000_123_456_789)
	for e, share := range []float64{0, 0.32, 0.03, 0.02, 0.11, 0.01, 0.09, 0.02, 0.04, 0.31, 0.05} {
		at += int64(share * ms * 1e6)
		if v <= passedUpTo || timing.Event(e) != timing.SnapshotPersisted {
			j.Record(timing.Event(e), at)
		}
	}
	return j
}

// Journeys implements admin.Host.
func (h *fakeHost) Journeys() admin.Journeys {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all admin.Journeys
	if h.standby {
		return all
	}
	const newest = talos.Version(passedUpTo + 1)
	for i := range talos.Version(40) {
		all.Recent = append(all.Recent, journey(newest-i, 2+float64(i%7)))
		all.Slowest = append(all.Slowest, journey(900_000+i, 900/float64(i+1)))
	}
	return all
}

// Version implements admin.Host: a held one, an undecided one, one that waits for both, and else one that is installed.
func (h *fakeHost) Version(_ context.Context, v talos.Version) (status.Version, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	read := h.began.Add(-90 * time.Second).UnixNano()
	x := status.Version{Version: v, Outcome: "committed", Safepoint: v - 3, Decided: talos.Position(v + 2), Received: read, Guest: newModule}
	switch {
	case h.standby:
		return status.Version{}, errors.New("this host stands by, and the owner knows: ichor-1 owns the cohort, with epoch 7")
	case v > 0 && v < 10:
		return status.Version{}, errors.New("the host does not run yet, or no more: see /readyz")
	case h.heldRow(v) != nil:
		x.Stands, x.Sentence, x.Failure = replicator.HeldBack, fmt.Sprintf("version %d cannot be installed and holds the snapshot", v), h.heldRow(v).Message
		x.Radius = &status.Radius{Versions: 14, Keys: 9, Free: 11, Partial: true}
	case v == 1_000_500:
		x.Stands, x.Sentence, x.Outcome, x.Safepoint, x.Decided, x.Guest = replicator.AwaitsDecision, "version 1000500 has no decision yet", "undecided", 0, 0, ""
	case v == 1_000_600:
		x.Stands, x.Sentence = replicator.AwaitsOthers, "version 1000600 waits for versions 1000007 and 1000500, with which it shares keys"
		x.WaitsFor = []status.WaitsFor{{Version: 1_000_007, Stands: replicator.HeldBack, Key: "account:0039", Since: read}, {Version: 1_000_500, Stands: replicator.AwaitsDecision, Since: read}}
	default:
		x.Stands, x.Sentence, x.Attempts, x.Journey = replicator.BelowSnapshot, fmt.Sprintf("version %d is installed, and the snapshot has passed it", v), 1, journey(v, 4)
	}
	return x, nil
}

func (h *fakeHost) heldRow(v talos.Version) *installer.Held {
	for i := range h.held {
		if h.held[i].Version == v {
			return &h.held[i]
		}
	}
	return nil
}

// XID implements admin.Host: one with two versions.
func (h *fakeHost) XID(ctx context.Context, id talos.XID) ([]status.Version, error) {
	if id[15] != 7 {
		return nil, &status.UnknownError{What: "no candidate with this xid was read since the resume point 999000"}
	}
	first, _ := h.Version(ctx, 999_001)
	second, err := h.Version(ctx, 999_009)
	return []status.Version{first, second}, err
}

// Quarantine implements admin.Host.
func (h *fakeHost) Quarantine(_ context.Context, f installer.Filter) (rows []installer.Held, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.held {
		if r := &h.held[i]; (f.Kind == "" || f.Kind == r.Kind) && (f.Code == "" || f.Code == r.Code) {
			rows = append(rows, *r)
		}
	}
	if f.Ended {
		at := h.began
		rows = append(rows, installer.Held{Version: 9_000_000, Kind: replicator.KindSQL, Code: "22012", Message: "division by zero", Times: 4, FirstAt: at, LastAt: at, ResolvedAt: &at, Resolution: "skipped_by_operator", Hash: "bbbbbbbbbbbb"})
	}
	return rows, nil
}

// Held implements admin.Host.
func (h *fakeHost) Held(ctx context.Context, v talos.Version) (*admin.HeldVersion, error) {
	stands, _ := h.Version(ctx, v)
	h.mu.Lock()
	defer h.mu.Unlock()
	row := h.heldRow(v)
	if row == nil {
		return nil, nil
	}
	number, name := "0039", "0029"
	x := &admin.HeldVersion{
		Held: row, Writes: []string{"account:0039", "account:0029"}, Reads: []string{"currency:EUR"}, Statemap: json.RawMessage(`[{"TRANSFER":{"amount":1.0,"from":"0039","to":"0029","big":12345678901234567890}}]`), Stands: &stands,
		Converted: &guest.Outcome{Version: uint64(v), Status: "converted", Statements: []guest.StatementText{
			{Name: "transfer", SQL: "update bank_accounts set amount = amount - $1::numeric\n  where number = $2 and amount >= $1", Params: []string{"numeric", "text"}, Values: []*string{&number, nil}},
			{Template: 1, Name: "note", SQL: "insert into bank_transfers (version, account) values ($1, $2)", Params: []string{"bigint", "text"}, Values: []*string{&number, &name}},
		}},
	}
	x.Foresee()
	return x, nil
}

// Requests implements admin.Host.
func (h *fakeHost) Requests(_ context.Context, ids []int64) (found []installer.Request, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		found = append(found, h.requests[id-1])
	}
	return found, nil
}

// LatestRequests implements admin.Host.
func (h *fakeHost) LatestRequests(context.Context, int) (all []installer.Request, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.requests) - 1; i >= 0; i-- {
		all = append(all, h.requests[i])
	}
	at := h.began.Add(-time.Hour)
	return append(all, installer.Request{ID: 0, Verb: "abandon", Version: 998_000, Who: "bob", Reason: "the certifier lost it", AskedAt: at, TakenAt: &at, EndedAt: &at, Outcome: "refused: a decision is there"},
		installer.Request{ID: -1, Verb: "skip", Version: 1_000_020, Who: "ann", Reason: "a duplicate of 1000007", AskedAt: at}), nil
}

// Audit implements admin.Host.
func (h *fakeHost) Audit(context.Context, int) ([]installer.AuditRow, error) {
	return []installer.AuditRow{{ID: 2, At: h.began, Who: "ann", Deed: "skip of version 998,100: done", Reason: "the account was closed by hand"}, {ID: 1, At: h.began, Who: "root@vm", Deed: "rollback of banking to 0bb052a75af8: done", Reason: "amounts are wrong"}}, nil
}

func (h *fakeHost) guests() []status.Guest {
	g := status.Guest{Guest: "banking", Digest: newModule, Version: "1.1.0", Contract: "1.0", From: 4771}
	if h.shadow {
		one, half := "1", "1.0"
		difference := func(v uint64) json.RawMessage {
			side := func(value *string) guest.Outcome {
				return guest.Outcome{Version: v, Status: "converted", Statements: []guest.StatementText{{Name: "transfer", SQL: "update bank_accounts set amount = amount - $1 where number = $2", Params: []string{"numeric", "text"}, Values: []*string{value, &one}}}}
			}
			text, _ := json.Marshal(map[string]any{"version": v, "xid": "f100642e-5f9f-4e53-89a2-9801332f1d2e", "kind": "differ", "aspect": "value", "what": `statement 1 has $1 = "1", and the old one "1.0"`, "statemap": `[{"TRANSFER": {"amount":1.0,"from":"0039","to":"0029"}}]`, "old": side(&half), "new": side(&one)})
			return text
		}
		g.Shadow = &status.Shadow{Digest: oldModule, Beside: newModule, Of: 10_000, Compared: 6604, Missed: 3, Same: 6587, Differ: 10, NewRejects: 3, OldRejected: 4, Differences: "sha256:96e51f3d788812f6974fcb159cf54f09ebc0dd8f1e399fac597557b8cb9d2660", First: []json.RawMessage{difference(5), difference(9)}}
		g.Refused = &status.Refusal{Digest: oldModule, Reason: "its vectors fail: GREET", At: h.began.UnixNano()}
		g.Judged = []status.Judgement{{Digest: oldModule, Reason: "no trusted key signed it", At: h.began.UnixNano()}}
	}
	return []status.Guest{g}
}

// Guests implements admin.Host.
func (h *fakeHost) Guests(context.Context, int) (admin.Guests, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.began.Add(-2 * time.Hour)
	guests := h.guests()
	if h.standby {
		guests = []status.Guest{}
	}
	var events []installer.GuestEvent
	if h.shadow {
		events = append(events, installer.GuestEvent{ID: 4, At: at.Add(time.Hour), Guest: "banking", Digest: oldModule, State: installer.GuestRefused, Who: "root@vm",
			Reason: "guest banking refused at shadow: in shadow 13 of 10000 versions differ, at most 0 may: ichor guest shadow shows them; who expects what differs between these two modules says so by guests.shadow.expected: [sha256:96e51f3d788812f6974fcb159cf54f09ebc0dd8f1e399fac597557b8cb9d2660]"})
	}
	return admin.Guests{
		Guests: guests,
		Ranges: []rollout.Range{{Guest: "banking", From: 1, To: 4770, Digest: oldModule, At: at, Who: "the file", Reason: "it lay there when the host began"}, {Guest: "banking", From: 812, To: 3007, Held: 2, Digest: newModule, Who: "ichor", Reason: "held, and converted by this module"}, {Guest: "banking", From: 4771, Digest: newModule, At: at.Add(time.Hour), Who: "carol", Reason: "fees in cents"}},
		Events: append(events, []installer.GuestEvent{
			{ID: 3, At: at.Add(time.Hour), Guest: "banking", Digest: newModule, State: installer.GuestActive, From: 4771, Who: "ichor"},
			{ID: 2, At: at.Add(time.Hour), Guest: "banking", Digest: newModule, State: installer.GuestArmed, Who: "carol", Reason: "fees in cents"},
			{ID: 1, At: at, Guest: "banking", Digest: oldModule, State: installer.GuestActive, From: 1, Who: "ichor", Reason: "the host begins with it"},
		}...),
	}, nil
}

// Ask implements admin.Host. A pause is in force at once.
func (h *fakeHost) Ask(_ context.Context, r installer.Request) (installer.Request, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, err := h.ask(r, installer.Filter{Version: r.Version})
	switch {
	case err != nil:
	case r.Verb == "pause":
		h.pause = &status.Pause{Who: r.Who, Why: r.Reason, Since: time.Now().UnixNano()}
	case r.Verb == "resume":
		h.pause = nil
	}
	return r, err
}

// MayHandOver implements admin.Host.
func (h *fakeHost) MayHandOver(context.Context, bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.alone {
		return &installer.RefusedError{What: "no other host stands by"}
	}
	return nil
}

// AskHeld implements admin.Host. What is done is held no more.
func (h *fakeHost) AskHeld(_ context.Context, r installer.Request, f installer.Filter) (all []installer.Request, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var meant, rest []installer.Held
	for i := range h.held {
		row := h.held[i]
		if (f.Version == 0 || f.Version == row.Version) && (f.Kind == "" || f.Kind == row.Kind) && (f.Code == "" || f.Code == row.Code) {
			meant = append(meant, row)
		} else {
			rest = append(rest, row)
		}
	}
	if is := installer.HashOf(meant); r.Verb == "skip" && r.Hash != is {
		h.asked = append(h.asked, asked{r, f})
		return nil, &installer.AnotherHashError{Is: is, Given: r.Hash}
	}
	for i := range meant {
		r.Version = meant[i].Version
		one, err := h.ask(r, f)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	h.held = rest
	return all, nil
}

// Judge implements admin.Host.
func (h *fakeHost) Judge(_ context.Context, _ string, module []byte, _, _ string) (string, error) {
	if string(module) == "bad" {
		return "", &admin.RefusedModule{Err: errors.New("its vectors fail: GREET")}
	}
	return oldModule, nil
}

// ModuleLike implements admin.Host.
func (h *fakeHost) ModuleLike(_ context.Context, _, digest string) (string, error) {
	return digest, nil
}

// Routed implements admin.Host.
func (h *fakeHost) Routed(name string) bool { return name == "banking" }

// Converting implements admin.Host.
func (h *fakeHost) Converting(context.Context, string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.converting, nil
}
