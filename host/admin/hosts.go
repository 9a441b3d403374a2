package admin

import (
	"net"
	"net/http"
	"strings"
)

// hosts are the names by which a listener may be asked. A page of a stranger can make its own
// name mean this machine (DNS rebinding), and would then read here what only this machine's
// users should; the browser tells the name in the header Host.
type hosts map[string]bool

// newHosts allows the host of the address that is listened on, and further names.
func newHosts(address string, more []string) hosts {
	h := hosts{"localhost": true}
	if host, _, err := net.SplitHostPort(address); err == nil {
		h[canonical(host)] = true
	}
	for _, name := range more {
		h[canonical(name)] = true
	}
	// Every address of the machine is none that anybody asks by.
	for _, every := range []string{"", "0.0.0.0", "::"} {
		delete(h, every)
	}
	return h
}

// canonical is how names are compared: without the dot of the root, in small letters.
func canonical(name string) string {
	return strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
}

// allow reports whether a request may be answered: it names an allowed host, a loopback
// address, or the very address at which it arrived. One without a name, of HTTP/1.0, comes from
// no browser.
func (h hosts) allow(r *http.Request) bool {
	name := r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	if name = canonical(name); name == "" {
		return r.Host == "" || h[name]
	}
	ip := net.ParseIP(name)
	if h[name] || ip == nil {
		return h[name]
	}
	return ip.IsLoopback() || ip.Equal(arrivedAt(r))
}

// arrivedAt is the address of this machine that a request came to.
func arrivedAt(r *http.Request) net.IP {
	address, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return nil
	}
	return address.IP
}

// guard answers requests for other hosts with 421, Misdirected Request.
func (h hosts) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.allow(r) {
			write(w, http.StatusMisdirectedRequest, map[string]string{"error": "the header Host names another host: add its name to http.hosts if it is one of this host's"})
			return
		}
		next.ServeHTTP(w, r)
	})
}
