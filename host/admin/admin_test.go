package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// staller is a host that makes no progress, and that keeps the journeys of versions 7 and 8.
type staller struct{ nobody }

func (staller) Status() status.Status { return status.Status{Version: "v1"} }

func (staller) Readiness() status.Readiness {
	return status.Readiness{Reason: status.DatabaseUnavailable, Detail: "no lane has a connection"}
}

func (s staller) Journeys() Journeys {
	return Journeys{Recent: []*timing.Journey{s.Journey(8), s.Journey(7)}, Slowest: []*timing.Journey{s.Journey(7)}}
}

func (s staller) JourneysOf(id talos.XID) []*timing.Journey {
	if id[15] == 7 {
		return []*timing.Journey{s.Journey(7)}
	}
	return nil
}

func (s staller) Version(_ context.Context, v talos.Version) (status.Version, error) {
	if v == 9 {
		return status.Version{}, errors.New("the host does not run")
	}
	return status.Version{Version: v, Stands: replicator.BelowSnapshot, Sentence: "settled", Outcome: "committed", Journey: s.Journey(v)}, nil
}

func (s staller) XID(ctx context.Context, id talos.XID) ([]status.Version, error) {
	switch id[15] {
	case 7:
		v, err := s.Version(ctx, 7)
		return []status.Version{v}, err
	case 9:
		return nil, errors.New("the host does not run")
	}
	return nil, &status.UnknownError{What: "it is not known"}
}

func (staller) Journey(v talos.Version) *timing.Journey {
	j := &timing.Journey{Version: v, Attempts: 1, Guest: "ab"}
	j.Record(timing.SnapshotPersisted, 5)
	return j
}

// answered sends a request to the handler of a host without tokens, and returns the answer with its body.
func answered(host Host, method, path string) (*http.Response, string) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "ichor_test_total", Help: "A test's."}))
	w := httptest.NewRecorder()
	Handler(Options{}, registry, host).ServeHTTP(w, httptest.NewRequest(method, path, nil))
	body, _ := io.ReadAll(w.Result().Body)
	return w.Result(), string(body)
}

func TestAnswers(t *testing.T) {
	const (
		seven = `{"version":7,"attempts":1,"guest":"ab","events":[{"event":"SnapshotPersisted","at_ns":5}]}`
		eight = `{"version":8,"attempts":1,"guest":"ab","events":[{"event":"SnapshotPersisted","at_ns":5}]}`
	)
	for _, c := range []struct {
		path string
		code int
		body string
	}{
		{"/healthz", 200, `{"alive":true}`},
		{"/readyz", 503, `{"ready":false,"reason":"database_unavailable","detail":"no lane has a connection"}`},
		{"/v1/journeys", 200, `{"recent":[` + eight + `,` + seven + `],"slowest":[` + seven + `]}`},
		{"/v1/journeys?limit=1", 200, `{"recent":[` + eight + `],"slowest":[` + seven + `]}`},
		{"/v1/journeys?xid=00000000-0000-0000-0000-000000000007", 200, `{"recent":[` + seven + `],"slowest":[]}`},
		{"/v1/journeys?xid=00000000000000000000000000000008", 200, `{"recent":[],"slowest":[]}`},
		{"/v1/journeys?xid=", 400, `{"error":"xid is \"\": it wants a UUID"}`},
		{"/v1/journeys?limit=0", 200, `{"recent":[],"slowest":[]}`},
		{"/v1/journeys?limit=", 400, `{"error":"limit is \"\": it wants a number from 0 to 10000"}`},
		{"/v1/journeys?limit=-1", 400, `{"error":"limit is \"-1\": it wants a number from 0 to 10000"}`},
		{"/v1/journeys?limit=ten", 400, `{"error":"limit is \"ten\": it wants a number from 0 to 10000"}`},
		{"/v1/journeys?limit=99999999999999999999", 400, `{"error":"limit is \"99999999999999999999\": it wants a number from 0 to 10000"}`},
		{"/v1/versions/7", 200, `{"version":7,"stands":"below_snapshot","sentence":"settled","outcome":"committed","journey":` + seven + `}`},
		{"/v1/versions/9", 503, `{"error":"the host does not run"}`},
		{"/v1/versions/9223372036854775808", 400, `{"error":"a version is a number"}`},
		{"/v1/versions/-1", 400, `{"error":"a version is a number"}`},
		{"/v1/versions/seven", 400, `{"error":"a version is a number"}`},
		{"/v1/xids/00000000-0000-0000-0000-000000000007", 200, `{"xid":"00000000-0000-0000-0000-000000000007","versions":[{"version":7,"stands":"below_snapshot","sentence":"settled","outcome":"committed","journey":` + seven + `}]}`},
		{"/v1/xids/00000000000000000000000000000008", 404, `{"error":"it is not known"}`},
		{"/v1/xids/00000000000000000000000000000009", 503, `{"error":"the host does not run"}`},
		{"/v1/xids/7", 400, `{"error":"an xid is a UUID"}`},
	} {
		answer, body := answered(staller{}, http.MethodGet, c.path)
		if answer.StatusCode != c.code || body != c.body+"\n" {
			t.Errorf("%s: %d %s, want %d %s", c.path, answer.StatusCode, body, c.code, c.body)
		}
		if h := answer.Header; h.Get("Content-Type") != "application/json" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s has the headers %v", c.path, h)
		}
	}
}

func TestReadyIs200(t *testing.T) {
	if answer, body := answered(nobody{}, http.MethodGet, "/readyz"); answer.StatusCode != http.StatusOK || body != "{\"ready\":true}\n" {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
}

func TestStatusHasTwoPaths(t *testing.T) {
	for _, path := range []string{"/status", "/v1/status"} {
		if answer, body := answered(staller{}, http.MethodGet, path); answer.StatusCode != http.StatusOK || !strings.Contains(body, `"v1"`) {
			t.Errorf("%s: %d %s", path, answer.StatusCode, body)
		}
	}
}

func TestMetricsAreThoseOfTheRegistry(t *testing.T) {
	if answer, body := answered(staller{}, http.MethodGet, "/metrics"); answer.StatusCode != http.StatusOK || !strings.Contains(body, "\nichor_test_total 0\n") {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
}

// TestNothingIsChanged: no path takes another method than GET and HEAD.
func TestNothingIsChanged(t *testing.T) {
	for _, path := range []string{"/", "/page/app.js", "/metrics", "/healthz", "/readyz", "/status", "/v1/status", "/v1/journeys", "/v1/versions/7", "/v1/xids/7"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if answer, _ := answered(staller{}, method, path); answer.StatusCode != http.StatusMethodNotAllowed || answer.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, allowed are %q", method, path, answer.StatusCode, answer.Header.Get("Allow"))
			}
		}
		if answer, _ := answered(staller{}, http.MethodHead, path); answer.StatusCode == http.StatusMethodNotAllowed {
			t.Errorf("HEAD %s: %d", path, answer.StatusCode)
		}
	}
	for _, path := range []string{"/index.html", "/page", "/page/", "/page/index.html", "/page/vendor/", "/v1", "/v1/versions/", "/v1/versions/7/8", "/debug/pprof/"} {
		if answer, _ := answered(staller{}, http.MethodGet, path); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, answer.StatusCode)
		}
	}
}

func TestAnswerThatCannotBeWrittenIs500(t *testing.T) {
	w := httptest.NewRecorder()
	write(w, http.StatusOK, math.NaN())
	if w.Code != http.StatusInternalServerError || w.Body.String() != "{\"error\":\"the answer cannot be written\"}\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestForeignHostIsToldWhatToDo(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/status", nil) // for example.com
	newHosts("127.0.0.1:9464", nil).guard(Handler(Options{}, prometheus.NewRegistry(), staller{})).ServeHTTP(w, r)
	const want = `{"error":"the header Host names another host: add its name to http.hosts if it is one of this host's"}`
	if w.Code != http.StatusMisdirectedRequest || w.Body.String() != want+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestListenerOnATakenAddress(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	s, err := Listen(Options{Address: "127.0.0.1:0"}, prometheus.NewRegistry(), nobody{}, log)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Listen(Options{Address: s.Address()}, prometheus.NewRegistry(), nobody{}, log)
	if err == nil || !strings.Contains(err.Error(), "cannot listen on "+s.Address()) || !strings.Contains(err.Error(), "choose another address") {
		t.Errorf("a taken address: %v", err)
	}
	s.Serve()
	if code := asked(t, s, "/healthz", "localhost"); code != http.StatusOK {
		t.Errorf("it answers %d", code)
	}
	s.Close()
}

// sampler is a host with samples at the instants 10, 20 and 30.
type sampler struct{ nobody }

func (sampler) Samples() []status.Sample { return []status.Sample{{At: 10}, {At: 20}, {At: 30}} }

// TestSamplesAfterAnInstant: who has seen some is sent the rest.
func TestSamplesAfterAnInstant(t *testing.T) {
	for query, want := range map[string]int{"": 3, "?after_ns=0": 3, "?after_ns=10": 2, "?after_ns=11": 2, "?after_ns=30": 0, "?after_ns=9223372036854775807": 0, "?after_ns=-5": 3} {
		answer, body := answered(sampler{}, http.MethodGet, "/v1/samples"+query)
		if got := strings.Count(body, `"at_ns"`); answer.StatusCode != http.StatusOK || got != want {
			t.Errorf("%s: %d, %s", query, answer.StatusCode, body)
		}
	}
	for _, query := range []string{"?after_ns=", "?after_ns=now", "?after_ns=9223372036854775808"} {
		if answer, _ := answered(sampler{}, http.MethodGet, "/v1/samples"+query); answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", query, answer.StatusCode)
		}
	}
	if _, body := answered(nobody{}, http.MethodGet, "/v1/samples"); body != "{\"samples\":[]}\n" {
		t.Errorf("none are %s", body)
	}
}
