package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/installer"
)

// clerk is a host that writes requests down, and says of them what a test wants.
type clerk struct {
	nobody
	err     error
	alone   bool // no host stands by
	asked   []installer.Request
	filter  installer.Filter
	outcome string // of what is asked about later; empty lets it stand
	judged  string
}

func (c *clerk) Ask(_ context.Context, r installer.Request) (installer.Request, error) {
	r.ID = 5
	if r.Match != "" && r.Match != "4" {
		return r, &installer.AnotherPauseError{Is: 4, Given: r.Match}
	}
	c.asked = append(c.asked, r)
	return r, c.err
}

func (c *clerk) AskHeld(_ context.Context, r installer.Request, f installer.Filter) ([]installer.Request, error) {
	r.ID, r.Version = 5, f.Version
	c.asked, c.filter = append(c.asked, r), f
	if r.Hash != "" && r.Hash != "aabbccddeeff" {
		return nil, &installer.AnotherHashError{Is: "aabbccddeeff", Given: r.Hash}
	}
	return []installer.Request{r}, c.err
}

func (c *clerk) Requests(context.Context, []int64) ([]installer.Request, error) {
	r := c.asked[len(c.asked)-1]
	if c.outcome != "" {
		now := time.Unix(1, 0)
		r.TakenAt, r.EndedAt, r.Outcome = &now, &now, c.outcome
	}
	return []installer.Request{r}, nil
}

func (c *clerk) Judge(_ context.Context, guest string, module []byte, signatures, _ string) (string, error) {
	c.judged = guest + " " + string(module) + " " + signatures
	if string(module) == "bad" {
		return "", &RefusedModule{errors.New("its vectors fail")}
	}
	return "d1", nil
}

func (*clerk) ModuleLike(_ context.Context, _, digest string) (string, error) {
	if digest != "ab" {
		return "", &installer.RefusedError{What: "there is none"}
	}
	return "abcd", nil
}
func (c *clerk) MayHandOver(_ context.Context, forced bool) error {
	if c.alone && !forced {
		return &installer.RefusedError{What: "no host stands by"}
	}
	return nil
}
func (*clerk) Routed(name string) bool                            { return name == "bank" }
func (*clerk) Converting(context.Context, string) (string, error) { return "d0", nil }

// change is a request that changes something, and what becomes of it.
type change struct {
	name, path, body, match string
	outcome                 string
	alone                   bool
	err                     error
	code                    int
	want                    string // in the answer
	verb                    string // of the request that is written; empty for none
}

const because = `{"reason":"it must"}`

// TestChanges: each path writes the request that it names, by who has the token and why, or says what is wrong.
func TestChanges(t *testing.T) {
	tokens, _, err := tokensOf(t, "ann operator,deployer "+operating)
	if err != nil {
		t.Fatal(err)
	}
	refused := &installer.RefusedError{What: "it is paused already"}
	for _, c := range []change{
		{name: "it stands", path: "/v1/pause", body: because, code: 202, want: `"verb":"pause","who":"ann","reason":"it must"`, verb: "pause"},
		{name: "it is done", path: "/v1/resume?wait=5s", body: because, outcome: "done", code: 200, want: `"outcome":"done"`, verb: "resume"},
		{name: "resume of the pause that was seen", path: "/v1/resume", body: because, match: `"4"`, code: 202, want: `"verb":"resume"`, verb: "resume"},
		{name: "resume of another than was seen", path: "/v1/resume", body: because, match: `"3"`, code: 412, want: "request 4"},
		{name: "resume, a match without quotation marks", path: "/v1/resume", body: because, match: `4`, code: 400, want: "in quotation marks"},
		{name: "a host refuses it", path: "/v1/handover?wait=5s", body: because, outcome: "refused: it is being handed over", code: 409, want: "it is being handed over", verb: "handover"},
		{name: "the database refuses it", path: "/v1/pause", body: because, err: refused, code: 409, want: "it is paused already", verb: "pause"},
		{name: "the database is away", path: "/v1/pause", body: because, err: errors.New("no connection"), code: 503, want: "no connection", verb: "pause"},
		{name: "handover to nobody", path: "/v1/handover", body: because, alone: true, code: 409, want: "no host stands by"},
		{name: "handover to nobody, forced", path: "/v1/handover?force=true", body: because, alone: true, code: 202, want: `"verb":"handover"`, verb: "handover"},
		{name: "handover, forced by a word", path: "/v1/handover?force=yes", body: because, code: 400, want: "true or false"},
		{name: "abandon", path: "/v1/versions/7/abandon", body: because, code: 202, want: `"version":7`, verb: "abandon"},
		{name: "abandon of none", path: "/v1/versions/0/abandon", body: because, code: 400, want: "the first version is 1"},
		{name: "abandon of a word", path: "/v1/versions/x/abandon", body: because, code: 400, want: "a version is a number"},
		{name: "retry", path: "/v1/quarantine/7/retry", body: because, code: 202, want: `"verb":"retry"`, verb: "retry"},
		{name: "retry of all alike", path: "/v1/quarantine/alike/retry", body: `{"reason":"it must","kind":"sql"}`, code: 202, want: `"verb":"retry"`, verb: "retry"},
		{name: "retry of all", path: "/v1/quarantine/alike/retry", body: because, code: 400, want: "never means all"},
		{name: "skip", path: "/v1/quarantine/7/skip", body: because, match: `"aabbccddeeff"`, code: 202, want: `"hash":"aabbccddeeff"`, verb: "skip"},
		{name: "skip of what changed", path: "/v1/quarantine/7/skip", body: because, match: `"000000000000"`, code: 412, want: "aabbccddeeff", verb: "skip"},
		{name: "skip unseen", path: "/v1/quarantine/7/skip", body: because, code: 428, want: "If-Match"},
		{name: "skip of all alike, unseen", path: "/v1/quarantine/alike/skip", body: `{"reason":"it must","code":"23505"}`, code: 428, want: "If-Match"},
		{name: "a match without quotation marks", path: "/v1/quarantine/7/skip", body: because, match: `aabbccddeeff`, code: 400, want: "in quotation marks"},
		{name: "a weak match", path: "/v1/quarantine/7/skip", body: because, match: `W/"aabbccddeeff"`, code: 400, want: "in quotation marks"},
		{name: "no reason", path: "/v1/pause", body: `{"reason":" "}`, code: 400, want: "the reason is empty"},
		{name: "a long reason", path: "/v1/pause", body: `{"reason":"` + strings.Repeat("x", 1001) + `"}`, code: 400, want: "at most 1000"},
		{name: "an unknown field", path: "/v1/pause", body: `{"reason":"it must","until":5}`, code: 400, want: "unknown field"},
		{name: "no JSON", path: "/v1/pause", body: `reason`, code: 400, want: "openapi.yaml"},
		{name: "two objects", path: "/v1/pause", body: because + because, code: 400, want: "something follows"},
		{name: "a large body", path: "/v1/pause", body: `{"reason":"` + strings.Repeat("x", 70000) + `"}`, code: 413, want: "too large"},
		{name: "a long wait", path: "/v1/pause?wait=31s", body: because, code: 400, want: "it wants a duration up to 30s"},
		{name: "a parameter that nothing reads", path: "/v1/pause?waits=5s", body: because, code: 400, want: "it takes wait"},
		{name: "a wait of words", path: "/v1/pause?wait=soon", body: because, code: 400, want: "it wants a duration"},
		{name: "rollback", path: "/v1/guests/bank/rollback", body: because, code: 202, want: `"verb":"swap"`, verb: "swap"},
		{name: "rollback to one", path: "/v1/guests/bank/rollback", body: `{"reason":"it must","to":"sha256:AB"}`, match: `"sha256:d0"`, code: 202, want: `"digest":"abcd"`, verb: "swap"},
		{name: "rollback to none", path: "/v1/guests/bank/rollback", body: `{"reason":"it must","to":"cd"}`, code: 409, want: "there is none"},
		{name: "rollback of another than was seen", path: "/v1/guests/bank/rollback", body: because, match: `"d9"`, code: 412, want: "d0"},
		{name: "rollback of no guest", path: "/v1/guests/shop/rollback", body: because, code: 404, want: "no route names"},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := &clerk{err: c.err, outcome: c.outcome, alone: c.alone}
			r := httptest.NewRequest(http.MethodPost, c.path, strings.NewReader(c.body))
			r.Header.Set("Authorization", "Bearer "+operating)
			r.Header.Set("Content-Type", "application/json; charset=utf-8")
			if c.match != "" {
				r.Header.Set("If-Match", c.match)
			}
			w := httptest.NewRecorder()
			Handler(Options{Tokens: tokens}, prometheus.NewRegistry(), host).ServeHTTP(w, r)
			if w.Code != c.code || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, c.code, c.want)
			}
			verb := ""
			if len(host.asked) > 0 {
				verb = host.asked[0].Verb
				if host.asked[0].Who != "ann" || host.asked[0].Reason != "it must" {
					t.Errorf("it is asked by %q because of %q", host.asked[0].Who, host.asked[0].Reason)
				}
			}
			if verb != c.verb {
				t.Errorf("the request %q was written, want %q", verb, c.verb)
			}
		})
	}
}

// TestAModuleIsJudgedBeforeItIsAskedFor.
func TestAModuleIsJudgedBeforeItIsAskedFor(t *testing.T) {
	tokens := threeTokens(t)
	send := func(host *clerk, path, kind, module, match string, signatures ...string) (int, string) {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(module))
		r.Header.Set("Authorization", "Bearer "+deploying)
		r.Header.Set("Content-Type", kind)
		if match != "" {
			r.Header.Set("If-Match", match)
		}
		for _, s := range signatures {
			r.Header.Add("Ichor-Signature", s)
		}
		w := httptest.NewRecorder()
		Handler(Options{Tokens: tokens, ModuleMost: 10}, prometheus.NewRegistry(), host).ServeHTTP(w, r)
		text, _ := io.ReadAll(w.Body)
		return w.Code, string(text)
	}
	for _, c := range []struct {
		path, kind, module, match string
		code                      int
		want, judged              string
	}{
		{"/v1/guests/bank/module?reason=new", "application/wasm", "good", "", 202, `"verb":"deploy","guest":"bank","digest":"d1","who":"dee","reason":"new"`, "bank good s1\ns2"},
		{"/v1/guests/bank/module?reason=new", "application/wasm", "bad", "", 409, "nothing was changed: its vectors fail", "bank bad s1\ns2"},
		{"/v1/guests/bank/module?reason=new", "application/wasm", "larger than it may be", "", 413, "too large", ""},
		{"/v1/guests/bank/module?reason=new", "text/plain", "good", "", 415, "application/wasm", ""},
		{"/v1/guests/bank/module", "application/wasm", "good", "", 400, "the reason is empty", ""},
		{"/v1/guests/bank/module?reason=new&wait=1m", "application/wasm", "good", "", 400, "wait is ", ""},
		{"/v1/guests/shop/module?reason=new", "application/wasm", "good", "", 404, "no route", ""},
		{"/v1/guests/bank/module?reason=new", "application/wasm", "good", `"sha256:d0"`, 202, `"verb":"deploy"`, "bank good s1\ns2"},
		{"/v1/guests/bank/module?reason=new", "application/wasm", "good", `"d9"`, 412, "the guest's module is d0", ""},
		{"/v1/guests/bank/module?reason=new", "application/wasm", "good", `d0`, 400, "in quotation marks", ""},
	} {
		host := new(clerk)
		code, text := send(host, c.path, c.kind, c.module, c.match, "s1", "s2")
		if code != c.code || !strings.Contains(text, c.want) || host.judged != c.judged {
			t.Errorf("%s of %q: %d %s, judged %q", c.path, c.module, code, text, host.judged)
		}
		if asked := len(host.asked) > 0; asked != (c.code == 202) {
			t.Errorf("%s of %q is asked for: %t", c.path, c.module, asked)
		}
	}
}

// TestReasonsHaveTheHashThatASkipNeeds, also where their versions are on another page.
func TestReasonsHaveTheHashThatASkipNeeds(t *testing.T) {
	held := []installer.Held{
		{Version: 1, Held: true, Kind: "sql", Code: "23505", Hash: "h1"}, {Version: 2, Held: false, Kind: "sql", Code: "23505", Hash: "h2"},
		{Version: 3, Held: true, Kind: "unrouted", Hash: "h3"}, {Version: 4, Held: true, Kind: "sql", Code: "23505", Hash: "h4"},
	}
	reasons := reasonsOf(held)
	if len(reasons) != 2 || reasons[0].Versions != 2 || reasons[0].Hash != installer.HashOf([]installer.Held{held[0], held[3]}) || reasons[1].Hash != "h3" {
		t.Errorf("%+v", reasons)
	}
	answer, body := answered(shelf{held: held}, http.MethodGet, "/v1/quarantine?limit=1&after=1")
	if answer.StatusCode != 200 || !strings.Contains(body, `"versions":[{"version":2,`) || !strings.Contains(body, `"next":2`) || !strings.Contains(body, `"versions":2,"hash"`) {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
}

// shelf is a host that holds versions.
type shelf struct {
	nobody
	held []installer.Held
}

func (s shelf) Quarantine(context.Context, installer.Filter) ([]installer.Held, error) {
	return s.held, nil
}

// patient judges until it is told to end, and settles no request.
type patient struct {
	nobody
	judging chan struct{} // has one when a module is judged
}

func (patient) Routed(string) bool { return true }

func (p patient) Judge(ctx context.Context, _ string, _ []byte, _, _ string) (string, error) {
	p.judging <- struct{}{}
	<-ctx.Done()
	return "", ctx.Err()
}

func (patient) Requests(_ context.Context, ids []int64) ([]installer.Request, error) {
	return make([]installer.Request, len(ids)), nil
}

// Who waits for a request to be carried out, or for a module to be judged, keeps nobody from reading; and when the host
// drains it is answered: the request stands, and the module was not taken.
func TestWhoWaitsKeepsNobodyFromReading(t *testing.T) {
	host := patient{judging: make(chan struct{}, 1)}
	running, drain := context.WithCancel(t.Context())
	server := httptest.NewServer(handler(running, Options{Tokens: threeTokens(t), ModuleMost: 10}, prometheus.NewRegistry(), host))
	defer server.Close()
	send := func(method, path, token, kind, body string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", kind)
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	var waiting sync.WaitGroup
	begun := time.Now()
	waiting.Go(func() {
		if code := send(http.MethodPost, "/v1/guests/bank/module?reason=new", deploying, "application/wasm", "good"); code != http.StatusServiceUnavailable {
			t.Errorf("who waits for a module is answered with %d when the host drains", code)
		}
	})
	<-host.judging
	for range 2 * askingMost {
		waiting.Go(func() {
			if code := send(http.MethodPost, "/v1/pause?wait=30s", operating, "application/json", because); code != http.StatusAccepted {
				t.Errorf("who waits for a pause is answered with %d when the host drains", code)
			}
		})
	}
	for range 3 {
		if code := send(http.MethodGet, "/v1/audit", operating, "", ""); code != http.StatusOK {
			t.Errorf("a reader is answered with %d", code)
		}
	}
	drain()
	waiting.Wait()
	if took := time.Since(begun); took >= waitMost {
		t.Errorf("they were answered after %v", took)
	}
}
