package admin

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// pipes is a listener whose connections are in memory, so that time passes as fast as nothing happens.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, open := <-p; open {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (pipes) Close() error   { return nil }
func (pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9464} }

// A client that dawdles, or that sends without an end, keeps no connection.
func TestSlowClientsAreCutOff(t *testing.T) {
	const host = "Host: localhost\r\n"
	for name, c := range map[string]struct {
		sends string
		reads bool   // what is answered
		want  string // of the answer
		least time.Duration
		most  time.Duration // until the connection is closed
	}{
		"half a header":     {"GET /healthz HTTP/1.1\r\n" + host, true, "", 5 * time.Second, 6 * time.Second},
		"half a body":       {"POST /v1/pause HTTP/1.1\r\n" + host + "Authorization: Bearer " + operating + "\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{", true, "HTTP/1.1 408", 10 * time.Second, 11 * time.Second},
		"nothing more":      {"GET /healthz HTTP/1.1\r\n" + host + "\r\n", true, "HTTP/1.1 200", time.Minute, time.Minute + time.Second},
		"reads no answer":   {"GET /v1/openapi.yaml HTTP/1.1\r\n" + host + "\r\n", false, "", waitMost, 30*time.Second + waitMost + time.Second},
		"headers of 64 KiB": {"GET /healthz HTTP/1.1\r\n" + host + "X-Much: " + strings.Repeat("x", 64<<10), true, "HTTP/1.1 431", 0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			tokens, _, err := tokensOf(t, "ann operator "+operating)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				s, err := Listen(Options{Address: "127.0.0.1:0", Tokens: tokens}, prometheus.NewRegistry(), &clerk{}, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				_ = s.listener.Close() // its connections are those of the test
				listener := make(pipes, 1)
				s.listener = listener
				s.Serve()
				ours, its := net.Pipe()
				listener <- its
				begun, answer := time.Now(), make(chan string, 1)
				if c.reads {
					go func() {
						text, _ := io.ReadAll(ours) // up to the end, or to what cut it off
						answer <- string(text)
					}()
				} else {
					answer <- ""
				}
				_, sent := io.WriteString(ours, c.sends)
				for !c.reads && sent == nil { // until the other end is closed
					time.Sleep(time.Second)
					_, sent = ours.Write([]byte("x"))
				}
				said := <-answer
				if took := time.Since(begun); took < c.least || took > c.most || !strings.HasPrefix(said, c.want) {
					t.Errorf("it was cut off after %v, want %v to %v: %q", took, c.least, c.most, said)
				}
				_ = ours.Close()
				close(listener)
				s.Close()
			})
		})
	}
}

// busy is a host whose database answers when it is let.
type busy struct {
	nobody
	asked atomic.Int64
	let   chan struct{}
}

func (b *busy) Version(context.Context, talos.Version) (status.Version, error) {
	b.asked.Add(1)
	<-b.let
	return status.Version{}, nil
}

// The database is asked askingMost questions at once; another waits for 5 s, and what needs no database is answered.
func TestFewQuestionsAreAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &busy{let: make(chan struct{})}
		handler := Handler(Options{}, prometheus.NewRegistry(), host)
		ask := func(path string) int {
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
			handler.ServeHTTP(w, r)
			return w.Code
		}
		codes := make(chan int, askingMost)
		for range askingMost {
			go func() { codes <- ask("/v1/versions/7") }()
		}
		synctest.Wait()
		begun := time.Now()
		if code, took := ask("/v1/versions/8"), time.Since(begun); code != http.StatusServiceUnavailable || took != 5*time.Second || host.asked.Load() != askingMost {
			t.Errorf("one more is answered %d after %v, with %d asked", code, took, host.asked.Load())
		}
		if code := ask("/v1/status"); code != http.StatusOK {
			t.Errorf("what needs no database is answered %d", code)
		}
		close(host.let)
		for range askingMost {
			if code := <-codes; code != http.StatusOK {
				t.Errorf("one that was asked is answered %d", code)
			}
		}
		if code := ask("/v1/versions/8"); code != http.StatusOK {
			t.Errorf("the next is answered %d", code)
		}
	})
}
