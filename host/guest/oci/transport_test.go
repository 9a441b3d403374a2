package oci

import (
	"net/http"
	"testing"
)

func TestRedirectsThatAreFollowed(t *testing.T) {
	for _, c := range []struct {
		to          string
		here, plain bool // the registry is on this machine; --plain-http
		followed    bool
	}{
		{"https://storage.example/x", false, false, true},
		{"https://storage.example/x", true, false, true},
		{"http://storage.example/x", false, false, false},
		{"http://storage.example/x", true, false, false},
		{"http://storage.example/x", false, true, true},
		{"https://127.0.0.1/x", false, false, false},
		{"https://localhost:99/x", false, true, false},
		{"http://[::1]:99/x", false, true, false},
		{"http://127.0.0.1:99/x", true, false, true},
		{"ftp://storage.example/x", false, true, false},
	} {
		req, err := http.NewRequest(http.MethodGet, c.to, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := (Options{PlainHTTP: c.plain}).redirects(c.here)(req, []*http.Request{req}); (err == nil) != c.followed {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
