package admin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// nobody is a host that is ready and has nothing.
type nobody struct{}

func (nobody) Status() status.Status                  { return status.Status{} }
func (nobody) Readiness() status.Readiness            { return status.Readiness{Ready: true} }
func (nobody) Journeys() Journeys                     { return Journeys{} }
func (nobody) Samples() []status.Sample               { return nil }
func (nobody) JourneysOf(talos.XID) []*timing.Journey { return nil }
func (nobody) Version(context.Context, talos.Version) (status.Version, error) {
	return status.Version{}, nil
}
func (nobody) XID(context.Context, talos.XID) ([]status.Version, error) { return nil, nil }
func (nobody) Quarantine(context.Context, installer.Filter) ([]installer.Held, error) {
	return nil, nil
}
func (nobody) Held(context.Context, talos.Version) (*HeldVersion, error) { return nil, nil }
func (nobody) Requests(context.Context, []int64) ([]installer.Request, error) {
	return nil, nil
}
func (nobody) LatestRequests(context.Context, int) ([]installer.Request, error) { return nil, nil }
func (nobody) Audit(context.Context, int) ([]installer.AuditRow, error)         { return nil, nil }
func (nobody) Guests(context.Context, int) (Guests, error)                      { return Guests{}, nil }
func (nobody) Ask(_ context.Context, r installer.Request) (installer.Request, error) {
	return r, nil
}
func (nobody) AskHeld(context.Context, installer.Request, installer.Filter) ([]installer.Request, error) {
	return nil, nil
}
func (nobody) Judge(context.Context, string, []byte, string, string) (string, error) { return "", nil }
func (nobody) ModuleLike(context.Context, string, string) (string, error)            { return "", nil }
func (nobody) MayHandOver(context.Context, bool) error                               { return nil }
func (nobody) Routed(string) bool                                                    { return false }
func (nobody) Converting(context.Context, string) (string, error)                    { return "", nil }

// asked sends a request with that header Host to a listener, and returns the status.
func asked(t *testing.T, s *Server, path, host string) int {
	t.Helper()
	conn, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	return answer.StatusCode
}

// TestForeignHostsAreRefused: a page whose name was made to mean this machine reads nothing.
func TestForeignHostsAreRefused(t *testing.T) {
	s, err := Listen(Options{Address: "127.0.0.1:0", Hosts: []string{"Ichor.example.com", "metrics."}}, prometheus.NewRegistry(), nobody{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Serve()
	defer s.Close()
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:9464": 200, "localhost": 200, "LOCALHOST:1": 200, "localhost.": 200, "127.9.9.9": 200, "[::1]:9464": 200, "[::1]": 200,
		"ichor.example.com": 200, "ICHOR.EXAMPLE.COM.:80": 200, "metrics": 200,
		"evil.example.com": 421, "evil.example.com:9464": 421, "127.0.0.1.evil.com": 421, "localhost.evil.com": 421, "notlocalhost": 421,
		"10.0.0.1": 421, "0.0.0.0:9464": 421, "[::]:9464": 421, "192.168.0.1": 421, "2130706433": 421, "[fe80::1]": 421,
		"x.ichor.example.com": 421, "example.com": 421, "[::ffff:127.0.0.1]": 200, "[::ffff:10.0.0.1]": 421, ":9464": 421,
	} {
		for _, path := range []string{"/metrics", "/healthz", "/readyz", "/status", "/v1/status", "/v1/journeys", "/v1/versions/1", "/nothing"} {
			got := asked(t, s, path, host)
			if want == 421 && got != 421 || want == 200 && got == 421 {
				t.Errorf("%s for %s is answered with %d", path, host, got)
			}
		}
	}
}

// TestTheAddressOfArrivalIsAllowed: who listens on all addresses may be asked by each.
func TestTheAddressOfArrivalIsAllowed(t *testing.T) {
	h := newHosts("0.0.0.0:9464", nil)
	for host, want := range map[string]bool{"10.1.2.3": true, "10.1.2.3:9464": true, "10.1.2.4": false, "0.0.0.0": false, "any.example.com": false, "localhost": true, "": true} {
		r, err := http.NewRequest(http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		r = r.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 9464}))
		if got := h.allow(r); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
	if h := newHosts("ichor.internal:9464", nil); !h["ichor.internal"] || h["other.internal"] {
		t.Errorf("the name that is listened on: %v", h)
	}
}
