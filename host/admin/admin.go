// Package admin serves over HTTP what a host says of itself, the page that shows it, and what may be asked of it.
// It decides nothing: what changes something is a request that is written down for the host that owns the cohort.
package admin

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Host is what a listener asks of its host. The methods may be called from any goroutine.
type Host interface {
	Reader
	Operator
}

// Options say where a listener listens, and who may do what.
type Options struct {
	// Address is host:port; the port 0 takes a free one.
	Address string
	// Hosts are names by which it may be asked, in the header Host, beside that of the address and those of this
	// machine.
	Hosts []string
	// Tokens are of those who may read and change; nil lets everybody read and nobody change.
	Tokens *Tokens
	// ModuleMost is how many bytes a module has at most.
	ModuleMost int64
}

// Server is a listener. Listen makes one, Serve answers, Close ends it.
type Server struct {
	listener net.Listener
	server   *http.Server
	log      *slog.Logger
	done     chan struct{}
	draining context.CancelFunc
}

// Listen takes the address. Requests wait until Serve.
func Listen(opts Options, metrics prometheus.Gatherer, host Host, log *slog.Logger) (*Server, error) {
	listener, err := net.Listen("tcp", opts.Address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w: choose another address, or port 0 for a free one", opts.Address, err)
	}
	running, draining := context.WithCancel(context.Background())
	return &Server{
		listener: listener, log: log, done: make(chan struct{}), draining: draining,
		server: &http.Server{
			Handler:           newHosts(opts.Address, opts.Hosts).guard(handler(running, opts, metrics, host)),
			ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
			WriteTimeout: 30*time.Second + waitMost, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what a client does wrong
		},
	}, nil
}

// Address returns where the server listens.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Serve answers requests until Close; it returns at once.
func (s *Server) Serve() {
	go func() {
		defer close(s.done)
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the listener ended", "error", err)
		}
	}()
}

// Drain answers what waits: for a request to be carried out, with that it stands; for a module to be judged, with that it
// was not. Health is answered until Close.
func (s *Server) Drain() { s.draining() }

// Close waits a second for the answers that are being written, and ends.
func (s *Server) Close() {
	s.draining()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.log.Warn("ending the listener", "error", err)
		_ = s.server.Close() // it is ended either way
	}
	<-s.done
}

// site is what the handlers have in common.
type site struct {
	host       Host
	running    context.Context //nolint:containedctx // it ends when the host drains
	moduleMost int64
	judging    sync.Mutex    // one module at a time
	asking     chan struct{} // has one for each question to the database that is under way
}

// askingMost is how many questions to the database are under way at most, beside a module that is judged: each has a connection of its own, and
// the cohort's connections are for installing.
const askingMost = 4

// route is a path, with the role that it needs.
type route struct {
	method, path string
	role         Role
	asks         bool // the database
	handler      http.HandlerFunc
	takes        []parameter // in its query; of an open path, any: programs ask it whose addresses nobody here writes
}

//go:embed openapi.yaml
var openAPI []byte

// routes are all paths but those of the page.
func (s *site) routes(metrics http.HandlerFunc) []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{get, "/healthz", open, false, s.alive, nil},
		{get, "/readyz", open, false, s.readiness, nil},
		{get, "/metrics", open, false, metrics, nil},
		{get, "/v1/openapi.yaml", open, false, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/yaml")
			_, _ = w.Write(openAPI) // the client may be gone
		}, nil},
		{get, "/v1/me", anyone, false, s.me, nil},
		{get, "/status", RoleViewer, false, s.status, nil},
		{get, "/v1/status", RoleViewer, false, s.status, nil},
		{get, "/v1/samples", RoleViewer, false, s.samples, []parameter{afterNS}},
		{get, "/v1/journeys", RoleViewer, false, s.journeys, []parameter{limited, ofXID}},
		{get, "/v1/versions/{version}", RoleViewer, true, s.version, nil},
		{get, "/v1/xids/{xid}", RoleViewer, true, s.xid, nil},
		{get, "/v1/quarantine", RoleViewer, true, s.quarantine, []parameter{ofKind, ofCode, ended, after, limited}},
		{get, "/v1/quarantine/{version}", RoleViewer, true, s.heldVersion, nil},
		{get, "/v1/requests", RoleViewer, true, s.requests, []parameter{limited}},
		{get, "/v1/requests/{id}", RoleViewer, true, s.request, nil},
		{get, "/v1/audit", RoleViewer, true, s.audit, []parameter{limited}},
		{get, "/v1/guests", RoleViewer, true, s.guests, []parameter{limited}},
		{post, "/v1/versions/{version}/abandon", RoleOperator, true, s.abandon, []parameter{waited}},
		{post, "/v1/quarantine/{version}/retry", RoleOperator, true, s.heldOne("retry"), []parameter{waited}},
		{post, "/v1/quarantine/{version}/skip", RoleOperator, true, s.heldOne("skip"), []parameter{waited}},
		{post, "/v1/quarantine/alike/retry", RoleOperator, true, s.heldAlike("retry"), []parameter{waited}},
		{post, "/v1/quarantine/alike/skip", RoleOperator, true, s.heldAlike("skip"), []parameter{waited}},
		{post, "/v1/pause", RoleOperator, true, s.ask("pause"), []parameter{waited}},
		{post, "/v1/resume", RoleOperator, true, s.resume, []parameter{waited}},
		{post, "/v1/handover", RoleOperator, true, s.handover, []parameter{waited, forced}},
		{post, "/v1/guests/{guest}/module", RoleDeployer, true, s.module, []parameter{waited, reasoned}},
		{post, "/v1/guests/{guest}/rollback", RoleDeployer, true, s.rollback, []parameter{waited}},
	}
}

// Handler returns the handler of every path. Without tokens there is none that changes something.
func Handler(opts Options, metrics prometheus.Gatherer, host Host) http.Handler {
	return handler(context.Background(), opts, metrics, host)
}

// handler returns the same for a host that runs until a context ends.
func handler(running context.Context, opts Options, metrics prometheus.Gatherer, host Host) http.Handler {
	s := &site{host: host, running: running, moduleMost: opts.ModuleMost, asking: make(chan struct{}, askingMost)}
	mux := http.NewServeMux()
	for _, r := range s.routes(promhttp.HandlerFor(metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP) {
		switch {
		case r.method == http.MethodPost && opts.Tokens == nil:
			mux.HandleFunc(r.method+" "+r.path, noChanges)
			continue
		case r.asks:
			r.handler = s.bounded(r.handler)
		}
		if r.role != open {
			r.handler = checked(r.takes, r.handler)
		}
		mux.HandleFunc(r.method+" "+r.path, authorize(opts.Tokens, r.role, r.handler))
	}
	servePage(mux)
	return own(spoken(mux))
}

// spoken answers what no path is for in the words of the rest.
func spoken(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		silent := &silence{header: http.Header{}, code: http.StatusOK}
		handler.ServeHTTP(silent, r)
		if allow := silent.header.Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			fail(w, silent.code, "this path takes "+allow)
			return
		}
		fail(w, http.StatusNotFound, "there is no such path: see /v1/openapi.yaml")
	})
}

// silence takes an answer's code and headers.
type silence struct {
	header http.Header
	code   int
}

// Header implements http.ResponseWriter.
func (s *silence) Header() http.Header { return s.header }

// Write implements http.ResponseWriter.
func (s *silence) Write(text []byte) (int, error) { return len(text), nil }

// WriteHeader implements http.ResponseWriter.
func (s *silence) WriteHeader(code int) { s.code = code }

func noChanges(w http.ResponseWriter, _ *http.Request) {
	fail(w, http.StatusNotFound, "this host takes no changes over HTTP: give it http.tokens, or use the commands of ichor")
}

// bounded lets a handler ask the database when few others do.
func (s *site) bounded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.asking <- struct{}{}:
			defer func() { <-s.asking }()
			next(w, r)
		case <-r.Context().Done():
		case <-time.After(5 * time.Second):
			fail(w, http.StatusServiceUnavailable, "too many questions to the database are under way: ask again")
		}
	}
}

// aside does what does not ask the database, or has a bound of its own, without keeping others from asking it. It is
// called by handlers that are bounded.
func (s *site) aside(do func()) {
	<-s.asking
	defer func() { s.asking <- struct{}{} }()
	do()
}

// fail answers with what is wrong.
func fail(w http.ResponseWriter, code int, text string) {
	write(w, code, map[string]string{"error": text})
}

func write(w http.ResponseWriter, code int, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		code, text = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // the client may be gone
}
