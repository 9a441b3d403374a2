package host

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCheckLooksAtTheAddress: whether it can be listened on, and what is risked beyond the machine.
func TestCheckLooksAtTheAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	ready := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"ready":false,"reason":"undecided"}`))
	}))
	defer ready.Close()
	host := ready.Listener.Addr().String()
	for listen, want := range map[string]string{
		"127.0.0.1:0":             "listens on 127.0.0.1:0",
		"0.0.0.0:0":               "whoever reaches it reads status, journeys and metrics, without a password",
		"[::]:0":                  "beyond this machine",
		":0":                      "beyond this machine",
		"localhost:0":             "listens on localhost:0",
		taken:                     "address already in use, by something that does not answer as a host does: ",
		host:                      "http.listen is " + host + ", which is taken by a host that runs: ",
		"203.0.113.7:1":           "http.listen: listen tcp",
		"no-such-host.invalid:80": "http.listen: listen tcp",
	} {
		risky := listen == "0.0.0.0:0" || listen == "[::]:0" || listen == ":0" || listen == "203.0.113.7:1" || listen == "no-such-host.invalid:80"
		o := HTTPOptions{Listen: listen}
		if (o.Exposed() != "") != risky {
			t.Errorf("%s: %q", listen, o.Exposed())
		}
		f := checkListen(t.Context(), o)
		said := f.Note
		if f.Err != nil {
			said = f.Err.Error()
		}
		if !strings.Contains(said, want) {
			t.Errorf("%s: %+v, want %q", listen, f, want)
		}
		if look := listen == host; f.Warn != look {
			t.Errorf("%s: somebody should look: %v", listen, f.Warn)
		}
	}
}
