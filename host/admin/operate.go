package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ichor-replicator/ichor/host/installer"
)

// Operator is what a listener asks a host to change. Each writes a request down, with who and why, and nothing else:
// the host that owns the cohort carries it out. An *installer.RefusedError says why it was not written.
type Operator interface {
	Ask(context.Context, installer.Request) (installer.Request, error)
	AskHeld(context.Context, installer.Request, installer.Filter) ([]installer.Request, error)
	// Judge loads a module for the guest of a name and keeps it in the database, or says with a *RefusedModule why
	// it is not one, which the history has with who sent it. Signatures are lines of ichor guest sign.
	Judge(ctx context.Context, guest string, module []byte, signatures, who string) (digest string, err error)
	// Rollback names the module that a digest's beginning means.
	ModuleLike(ctx context.Context, guest, digest string) (string, error)
	// MayHandOver refuses a handover that would leave the cohort with nobody for a while, unless it is forced.
	MayHandOver(ctx context.Context, forced bool) error
	// Routed reports whether a route names the guest.
	Routed(guest string) bool
	// Converting returns the digest of the module that was last armed for a guest, whichever host owns the cohort.
	Converting(ctx context.Context, guest string) (string, error)
}

// RefusedModule says why a module does not take a guest's place.
type RefusedModule struct{ Err error }

// Error implements error.
func (e *RefusedModule) Error() string { return "nothing was changed: " + e.Err.Error() }

// Unwrap returns why.
func (e *RefusedModule) Unwrap() error { return e.Err }

// Bounds on what is asked for.
const (
	bodyMost   = 64 << 10 // bytes
	reasonMost = 1000     // characters
	waitMost   = 30 * time.Second
	waitEvery  = 100 * time.Millisecond
)

// why is the body of most changes.
type why struct {
	Reason string `json:"reason"`
}

// alike is the body of those about all that are held for a reason.
type alike struct {
	why
	Kind string `json:"kind"`
	Code string `json:"code"`
}

// asking returns the request of somebody who gives a reason.
func asking(r *http.Request, verb string, w why) installer.Request {
	return installer.Request{Verb: verb, Who: callerOf(r).Name, Reason: w.Reason}
}

// ask returns the handler of a verb about the cohort.
func (s *site) ask(verb string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body why
		if !read(w, r, &body) || !checkReason(w, body.Reason) {
			return
		}
		request, err := s.host.Ask(r.Context(), asking(r, verb, body))
		s.asked(w, r, []installer.Request{request}, err)
	}
}

// resume ends the pause that If-Match names, if it names one: it may be over by now, and another in force that
// somebody else has a reason for.
func (s *site) resume(w http.ResponseWriter, r *http.Request) {
	var body why
	if !read(w, r, &body) || !checkReason(w, body.Reason) {
		return
	}
	pause, ok := match(w, r)
	if !ok {
		return
	}
	request := asking(r, "resume", body)
	request.Match = pause
	request, err := s.host.Ask(r.Context(), request)
	s.asked(w, r, []installer.Request{request}, err)
}

// handover asks for one that leaves nobody without an owner, unless that is wanted.
func (s *site) handover(w http.ResponseWriter, r *http.Request) {
	var body why
	if !read(w, r, &body) || !checkReason(w, body.Reason) {
		return
	}
	var request installer.Request
	err := s.host.MayHandOver(r.Context(), valueOf(r, forced, parseTruth, false))
	if err == nil {
		request, err = s.host.Ask(r.Context(), asking(r, "handover", body))
	}
	s.asked(w, r, []installer.Request{request}, err)
}

func (s *site) abandon(w http.ResponseWriter, r *http.Request) {
	var body why
	number, ok := numbered(w, r)
	if !ok || !read(w, r, &body) || !checkReason(w, body.Reason) {
		return
	}
	if number == 0 || number > math.MaxInt64 {
		fail(w, http.StatusBadRequest, "the first version is 1")
		return
	}
	request := asking(r, "abandon", body)
	request.Version = number
	request, err := s.host.Ask(r.Context(), request)
	s.asked(w, r, []installer.Request{request}, err)
}

// heldOne returns the handler of a verb about one held version.
func (s *site) heldOne(verb string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body why
		number, ok := numbered(w, r)
		if !ok || !read(w, r, &body) || !checkReason(w, body.Reason) {
			return
		}
		if number == 0 {
			fail(w, http.StatusNotFound, "version 0 is never held")
			return
		}
		s.askHeld(w, r, asking(r, verb, body), installer.Filter{Version: number})
	}
}

// heldAlike returns the handler of a verb about all that are held for a reason.
func (s *site) heldAlike(verb string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body alike
		if !read(w, r, &body) || !checkReason(w, body.Reason) {
			return
		}
		if body.Kind == "" && body.Code == "" {
			fail(w, http.StatusBadRequest, "give a kind or a code: "+verb+" never means all")
			return
		}
		s.askHeld(w, r, asking(r, verb, body.why), installer.Filter{Kind: body.Kind, Code: body.Code})
	}
}

// askHeld asks about held versions. A skip needs the hash of what is skipped, so that nobody skips what they have
// not seen.
func (s *site) askHeld(w http.ResponseWriter, r *http.Request, request installer.Request, filter installer.Filter) {
	if request.Verb == "skip" {
		hash, ok := match(w, r)
		if !ok {
			return
		}
		if hash == "" {
			fail(w, http.StatusPreconditionRequired, `a skip needs If-Match: "HASH", with the hash of what is skipped as /v1/quarantine has it`)
			return
		}
		request.Hash = hash
	}
	all, err := s.host.AskHeld(r.Context(), request, filter)
	s.asked(w, r, all, err)
}

// match reads what If-Match names, "" for nothing; false when that is wrong, which is answered then.
func match(w http.ResponseWriter, r *http.Request) (string, bool) {
	if len(r.Header.Values("If-Match")) == 0 {
		return "", true
	}
	text := r.Header.Get("If-Match")
	name, quoted := strings.CutPrefix(text, `"`)
	name, closed := strings.CutSuffix(name, `"`)
	if !quoted || !closed || name == "" || strings.Contains(name, `"`) {
		fail(w, http.StatusBadRequest, "If-Match is one name in quotation marks")
		return "", false
	}
	return name, true
}

// asked answers with what became of requests, once they ended or stand, or the time that was asked for is over.
func (s *site) asked(w http.ResponseWriter, r *http.Request, all []installer.Request, err error) {
	var refused *installer.RefusedError
	var hash *installer.AnotherHashError
	var pause *installer.AnotherPauseError
	switch {
	case errors.As(err, &hash), errors.As(err, &pause):
		fail(w, http.StatusPreconditionFailed, err.Error())
		return
	case errors.As(err, &refused):
		fail(w, http.StatusConflict, err.Error())
		return
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	all = s.await(r.Context(), all, waiting(r))
	code := http.StatusOK
	for i := range all {
		switch {
		case !all[i].Settled():
			code = max(code, http.StatusAccepted)
		case all[i].Ended() && !all[i].Done():
			code = http.StatusConflict
		}
	}
	if len(all) == 1 && code == http.StatusConflict {
		fail(w, code, all[0].Outcome)
		return
	}
	write(w, code, Requests{all})
}

// await waits until nothing is to be waited for. What cannot be asked now is answered as it was.
func (s *site) await(ctx context.Context, all []installer.Request, wait time.Duration) []installer.Request {
	ids := make([]int64, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	until := time.Now().Add(wait)
	for time.Now().Before(until) && !settled(all) {
		s.aside(func() {
			select {
			case <-ctx.Done():
			case <-s.running.Done():
			case <-time.After(min(waitEvery, time.Until(until))):
			}
		})
		if ctx.Err() != nil || s.running.Err() != nil {
			return all
		}
		if now, err := s.host.Requests(ctx, ids); err == nil && len(now) == len(all) {
			all = now
		}
	}
	return all
}

// settled reports whether there is nothing to wait for.
func settled(all []installer.Request) bool {
	return !slices.ContainsFunc(all, func(r installer.Request) bool { return !r.Settled() })
}

// read reads the body of a change; false when it is wrong, which is answered then.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	if !typed(w, r, "application/json") {
		return false
	}
	text, ok := body(w, r, bodyMost)
	if !ok {
		return false
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		fail(w, http.StatusBadRequest, "the body is not what this takes, see /v1/openapi.yaml: "+err.Error())
		return false
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		fail(w, http.StatusBadRequest, "something follows the body's object")
		return false
	}
	return true
}

// typed refuses a body of another type.
func typed(w http.ResponseWriter, r *http.Request, want string) bool {
	if is, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || is != want {
		fail(w, http.StatusUnsupportedMediaType, "the Content-Type must be "+want)
		return false
	}
	return true
}

// body reads at most so many bytes; false when that is wrong, which is answered then.
func body(w http.ResponseWriter, r *http.Request, most int64) ([]byte, bool) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		fail(w, http.StatusRequestEntityTooLarge, "the body is too large")
		return nil, false
	case errors.Is(err, os.ErrDeadlineExceeded):
		fail(w, http.StatusRequestTimeout, "the body took too long to arrive")
		return nil, false
	case err != nil:
		fail(w, http.StatusBadRequest, "the body ends before its end")
		return nil, false
	}
	return text, true
}

// checkReason refuses a reason that no audit can have; false is answered.
func checkReason(w http.ResponseWriter, reason string) bool {
	if utf8.RuneCountInString(reason) > reasonMost {
		fail(w, http.StatusBadRequest, "give a reason of at most 1000 characters")
		return false
	}
	if err := installer.CheckReason(reason); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return false
	}
	return true
}

// Of what a guest is asked by.
const (
	judgeTime      = 5 * time.Minute // to read a module, and to load it
	signaturesMost = 64
)

// guestOf returns the guest of the path; false where there is none, which is answered then.
func (s *site) guestOf(w http.ResponseWriter, r *http.Request) (string, bool) {
	guest := r.PathValue("guest")
	if !s.host.Routed(guest) {
		fail(w, http.StatusNotFound, "no route names this guest: see guests.routes of the settings")
		return "", false
	}
	return guest, true
}

// unchanged reports whether the module converts that If-Match names, if it names one; false is answered.
func (s *site) unchanged(w http.ResponseWriter, r *http.Request, guest string) bool {
	digest, ok := match(w, r)
	if !ok || digest == "" {
		return ok
	}
	now, err := s.host.Converting(r.Context(), guest)
	switch {
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err.Error())
	case strings.TrimPrefix(digest, "sha256:") != now:
		fail(w, http.StatusPreconditionFailed, "the guest's module is "+now+", and If-Match names another")
	default:
		return true
	}
	return false
}

func (s *site) rollback(w http.ResponseWriter, r *http.Request) {
	var body struct {
		why
		To string `json:"to"`
	}
	guest, ok := s.guestOf(w, r)
	if !ok || !read(w, r, &body) || !checkReason(w, body.Reason) || !s.unchanged(w, r, guest) {
		return
	}
	request := asking(r, "swap", body.why)
	request.Guest, request.Digest = guest, strings.ToLower(strings.TrimPrefix(body.To, "sha256:"))
	var err error
	if request.Digest != "" {
		request.Digest, err = s.host.ModuleLike(r.Context(), guest, request.Digest)
	}
	if err == nil {
		request, err = s.host.Ask(r.Context(), request)
	}
	s.asked(w, r, []installer.Request{request}, err)
}

// module takes a module in the place of a guest's.
func (s *site) module(w http.ResponseWriter, r *http.Request) {
	guest, ok := s.guestOf(w, r)
	if !ok || !typed(w, r, "application/wasm") {
		return
	}
	reason := r.URL.Query().Get(reasoned.name)
	signatures := r.Header.Values("Ichor-Signature")
	if !checkReason(w, reason) || !s.unchanged(w, r, guest) {
		return
	}
	if len(signatures) > signaturesMost {
		fail(w, http.StatusBadRequest, "these are more signatures than a module has")
		return
	}
	if !s.judging.TryLock() { // it takes a processor and hundreds of MiB
		fail(w, http.StatusServiceUnavailable, "another module is being judged: send it again when that is over")
		return
	}
	defer s.judging.Unlock()
	control := http.NewResponseController(w)
	until := time.Now().Add(judgeTime)
	_ = errors.Join(control.SetReadDeadline(until), control.SetWriteDeadline(until.Add(waitMost))) // a recorder has none
	var digest string
	var err error
	s.aside(func() { // a body that trickles in, and a compilation, take minutes
		var bytes []byte
		if bytes, ok = body(w, r, s.moduleMost); ok {
			ctx, cancel := context.WithDeadline(r.Context(), until)
			defer cancel()
			defer context.AfterFunc(s.running, cancel)()
			digest, err = s.host.Judge(ctx, guest, bytes, strings.Join(signatures, "\n"), callerOf(r).Name)
		}
	})
	if !ok {
		return
	}
	var refused *RefusedModule
	if errors.As(err, &refused) {
		fail(w, http.StatusConflict, err.Error())
		return
	}
	request := asking(r, "deploy", why{reason})
	request.Guest, request.Digest = guest, digest
	if err == nil {
		request, err = s.host.Ask(r.Context(), request)
	}
	s.asked(w, r, []installer.Request{request}, err)
}
