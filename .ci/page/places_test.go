package page

import (
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/status"
)

// place is one that pictures are taken of and that is looked at for who cannot see it.
type place struct {
	name, at, token string
	host            func() *fakeHost
	ready           string // the page's text once it is drawn
	then            func(*tab)
}

func held() *fakeHost { return newFakeHost(40) }

func calm() *fakeHost { return newFakeHost(0) }

// places are all sections, in the states that they may be met in.
var places = []place{
	{name: "pipeline", at: "#/pipeline", host: calm, ready: "in flight, 4 of 4 lanes"},
	{name: "pipeline-held", at: "#/pipeline", token: operating, host: held, ready: "What to do:"},
	{name: "pipeline-paused", at: "#/pipeline", token: operating, ready: "Resume", host: func() *fakeHost {
		h := newFakeHost(0)
		h.pause = &status.Pause{Who: "ann", Why: "a column is added", Since: h.began.Add(-time.Minute).UnixNano()}
		return h
	}},
	{name: "pipeline-standby", at: "#/pipeline", host: func() *fakeHost {
		h := newFakeHost(0)
		h.standby = true
		return h
	}, ready: "stands by"},
	{name: "no-token", at: "#/charts", token: "none", host: held, ready: "This host has tokens"},
	{name: "journeys", at: "#/journeys", host: calm, ready: "Slowest"},
	{name: "journey", at: "#/journeys/999999", host: calm, ready: "guest converts"},
	{name: "search", at: "#/search", host: calm, ready: "Version or xid"},
	{name: "version-waiting", at: "#/search/1000600", host: held, ready: "Waits for"},
	{name: "version-undecided", at: "#/search/1000500", token: operating, host: held, ready: "Abandon"},
	{name: "version", at: "#/search/999001", host: held, ready: "guest converts"},
	{name: "quarantine", at: "#/quarantine", token: operating, host: held, ready: "guest_reject"},
	{name: "quarantine-version", at: "#/quarantine/1000007", token: operating, host: held, ready: "Statemap"},
	{name: "quarantine-empty", at: "#/quarantine", host: calm, ready: "Nothing is held"},
	{name: "skip", at: "#/quarantine/1000007", token: operating, host: held, ready: "Statemap", then: func(p *tab) {
		p.press(".one button", "Skip")
		p.says("dialog", "without effects")
	}},
	{name: "guests", at: "#/guests", token: deploying, host: func() *fakeHost {
		h := newFakeHost(0)
		h.shadow = true
		return h
	}, ready: "In shadow", then: func(p *tab) { p.press("summary", "Version 5") }},
	{name: "upload", at: "#/guests", token: deploying, host: calm, ready: "Upload", then: func(p *tab) { p.press("button", "Upload") }},
	{name: "charts", at: "#/charts", host: calm, ready: "Snapshot age", then: func(p *tab) {
		p.press("label", "15 min")
		p.until(`document.querySelectorAll('.plot path').length > 8`)
	}},
	{name: "requests", at: "#/requests", host: held, ready: "a decision is there"},
	{name: "token", at: "#/pipeline", token: "none", host: calm, ready: "This host has tokens", then: func(p *tab) {
		p.press("header button", "Give a token")
		p.until(`document.activeElement.id === 'token'`)
	}},
	{name: "stale", at: "#/pipeline", host: calm, ready: "in flight", then: func(p *tab) {
		p.interrupt()
		p.says(".banner", "No answer since")
	}},
}

// visited opens a place and waits until it is drawn.
func visited(t *testing.T, at place) *tab {
	t.Helper()
	tokens, token := "", at.token
	if token != "" {
		tokens = tokenFile
	}
	p := open(t, at.host(), tokens, strings.TrimPrefix(token, "none"), at.at, usual)
	p.says("body", at.ready)
	if at.then != nil {
		at.then(p)
	}
	return p
}

// views are those in which each place is looked at.
var views = []view{{1280, "light"}, {1280, "dark"}, {390, "light"}, {390, "dark"}}
