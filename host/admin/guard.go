package admin

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// Caller is who asks.
type Caller struct {
	Name string `json:"name"` // as the file of tokens has it; empty without a token
	// Roles are what they may do. Changes says that this host takes changes at all: it has tokens.
	Roles   []Role `json:"roles"`
	Changes bool   `json:"changes"` // see roles
}

// callerKey is under which a request's context has its Caller.
type callerKey struct{}

func callerOf(r *http.Request) Caller {
	c, _ := r.Context().Value(callerKey{}).(Caller)
	return c
}

// What a path needs that needs no role.
const (
	open   Role = ""       // nothing
	anyone Role = "anyone" // nothing, but a token that is sent must be one of ours
)

// authorize answers requests that may not.
func authorize(tokens *Tokens, role Role, next http.HandlerFunc) http.HandlerFunc {
	if tokens == nil || role == open {
		return func(w http.ResponseWriter, r *http.Request) { next(w, as(r, Caller{Roles: []Role{RoleViewer}})) }
	}
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, token, sent := strings.Cut(r.Header.Get("Authorization"), " ")
		if !sent && role == anyone {
			next(w, as(r, Caller{Roles: []Role{}, Changes: true}))
			return
		}
		var h *holder
		if strings.EqualFold(scheme, "Bearer") {
			h = tokens.find(strings.TrimSpace(token))
		}
		switch {
		case !sent:
			noToken(w, "this needs a token: send Authorization: Bearer TOKEN with one of the file of http.tokens")
		case h == nil:
			noToken(w, "the token is none of this host's: see the file of http.tokens")
		case role != anyone && !h.may(role):
			fail(w, http.StatusForbidden, "the token of "+h.name+" is not for this: it needs the role "+string(role))
		default:
			next(w, as(r, Caller{Name: h.name, Roles: h.roles, Changes: true}))
		}
	}
}

// as gives a request its caller.
func as(r *http.Request, c Caller) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
}

func noToken(w http.ResponseWriter, text string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="ichor"`)
	fail(w, http.StatusUnauthorized, text)
}

// own refuses what a page of a stranger sends: a browser names in Origin, or in Sec-Fetch-Site, from where a
// request comes. Programs send neither.
func own(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" {
			u, err := url.Parse(origin)
			if err != nil || !strings.EqualFold(u.Host, r.Host) {
				fail(w, http.StatusForbidden, "the request comes from another site's page")
				return
			}
		}
		if site := r.Header.Get("Sec-Fetch-Site"); (site == "cross-site" || site == "same-site") && r.Method != http.MethodGet {
			fail(w, http.StatusForbidden, "the request comes from another site's page")
			return
		}
		next.ServeHTTP(w, r)
	})
}
