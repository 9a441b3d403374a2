// Package admin serves what a host says of itself over HTTP: metrics, health, and the
// read-only part of the API. Nothing here changes anything.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Host is what a listener asks of its host. The methods may be called from any goroutine;
// the values are written as JSON.
type Host interface {
	Status() status.Status
	Readiness() status.Readiness
	Journeys() (recent, slowest []*timing.Journey)
	// Version fails when the host does not run.
	Version(context.Context, talos.Version) (status.Version, error)
	// XID returns the versions of the candidates with an xid, in their order: one that was sent again has
	// several. The error is a *status.UnknownError when none is known.
	XID(context.Context, talos.XID) ([]status.Version, error)
}

// Server is a listener. Listen makes one, Serve answers, Close ends it.
type Server struct {
	listener net.Listener
	server   *http.Server
	log      *slog.Logger
	done     chan struct{}
}

// Listen takes the address, host:port; the port 0 takes a free one. Requests wait until Serve.
// Those whose header Host names neither the address nor this machine nor one of the hosts are
// refused.
func Listen(address string, hosts []string, metrics prometheus.Gatherer, host Host, log *slog.Logger) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w: choose another address, or port 0 for a free one", address, err)
	}
	return &Server{
		listener: listener, log: log, done: make(chan struct{}),
		server: &http.Server{
			Handler:           newHosts(address, hosts).guard(Handler(metrics, host)),
			ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
			WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
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

// Close waits a second for the answers that are being written, and ends.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.log.Warn("ending the listener", "error", err)
		_ = s.server.Close() // it is ended either way
	}
	<-s.done
}

// Handler returns the handler of every path.
func Handler(metrics prometheus.Gatherer, host Host) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]bool{"alive": true})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		readiness := host.Readiness()
		code := http.StatusOK
		if !readiness.Ready {
			code = http.StatusServiceUnavailable
		}
		write(w, code, readiness)
	})
	showStatus := func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, host.Status()) }
	mux.HandleFunc("GET /status", showStatus)
	mux.HandleFunc("GET /v1/status", showStatus)
	mux.HandleFunc("GET /v1/journeys", func(w http.ResponseWriter, r *http.Request) { journeys(w, r, host) })
	mux.HandleFunc("GET /v1/versions/{version}", func(w http.ResponseWriter, r *http.Request) { version(w, r, host) })
	mux.HandleFunc("GET /v1/xids/{xid}", func(w http.ResponseWriter, r *http.Request) { xid(w, r, host) })
	return mux
}

// journeys answers the recent and the slowest, at most ?limit of each; 100 when it is not given.
func journeys(w http.ResponseWriter, r *http.Request, host Host) {
	limit := 100
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			write(w, http.StatusBadRequest, map[string]string{"error": "limit is no number"})
			return
		}
		limit = n
	}
	recent, slowest := host.Journeys()
	write(w, http.StatusOK, map[string]any{
		"recent": recent[:min(limit, len(recent))], "slowest": slowest[:min(limit, len(slowest))],
	})
}

func version(w http.ResponseWriter, r *http.Request, host Host) {
	number, err := strconv.ParseUint(r.PathValue("version"), 10, 63)
	if err != nil {
		write(w, http.StatusBadRequest, map[string]string{"error": "a version is a number"})
		return
	}
	answer, err := host.Version(r.Context(), talos.Version(number))
	if err != nil {
		write(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
		return
	}
	write(w, http.StatusOK, answer)
}

func xid(w http.ResponseWriter, r *http.Request, host Host) {
	id, ok := talos.ParseXID(r.PathValue("xid"))
	if !ok {
		write(w, http.StatusBadRequest, map[string]string{"error": "an xid is a UUID"})
		return
	}
	answer, err := host.XID(r.Context(), id)
	var unknown *status.UnknownError
	switch {
	case errors.As(err, &unknown):
		write(w, http.StatusNotFound, map[string]string{"error": err.Error()})
	case err != nil:
		write(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
	default:
		write(w, http.StatusOK, map[string]any{"xid": r.PathValue("xid"), "versions": answer})
	}
}

func write(w http.ResponseWriter, code int, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		code, text = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // the client may be gone
}
