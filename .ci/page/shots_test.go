package page

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestShots takes pictures for people to look at: go test -run Shots -args -shots DIRECTORY. They are of a fake host in
// every state that a place may be met in, or with -url of a running one as it is.
func TestShots(t *testing.T) {
	switch {
	case *shots == "":
		return // nobody asked for them
	case *picture != "":
		shootRunning(t)
		return
	}
	for _, at := range places {
		t.Run(at.name, func(t *testing.T) {
			p := visited(t, at)
			time.Sleep(2500 * time.Millisecond) // some answers, for rates
			p.shoot(at.name)
		})
	}
}

// shoot takes a picture in each view.
func (p *tab) shoot(name string) {
	p.t.Helper()
	p.must(os.MkdirAll(*shots, 0o755))
	for _, v := range views {
		p.look(v)
		time.Sleep(100 * time.Millisecond)
		picture, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
		p.must(err)
		p.must(os.WriteFile(filepath.Join(*shots, fmt.Sprintf("%s-%d-%s.png", name, v.width, v.scheme)), picture, 0o644))
	}
	p.look(usual)
}

// shootRunning takes pictures of each section of a running host, and of the first journey, version and held version that
// it has.
func shootRunning(t *testing.T) {
	p := &tab{t: t, base: strings.TrimRight(*picture, "/")}
	p.show(os.Getenv("ICHOR_TOKEN"), "", usual)
	shoot := func(name, at string) {
		t.Helper()
		p.visit(at)
		p.until(fmt.Sprintf(`location.hash === %q && !document.querySelector('main').innerText.includes('Asking the host')`, at))
		time.Sleep(2500 * time.Millisecond) // some answers, for rates
		p.shoot(name)
	}
	// first returns where the first of some links leads, or what is evaluated else; empty for none.
	first := func(script string) string { return p.text("String(" + script + " ?? '')") }
	for _, section := range strings.Fields(p.text(`[...document.querySelectorAll('nav a')].map((a) => a.hash.slice(2)).join(' ')`)) {
		shoot(section, "#/"+section)
		switch section {
		case "journeys":
			if at := first(`document.querySelector('td a')?.hash`); at != "" {
				shoot("journey", at)
				shoot("version", strings.Replace(at, "journeys", "search", 1))
			}
		case "quarantine":
			if version := first(`document.querySelector('[role=option] b')?.innerText`); version != "" {
				shoot("quarantine-version", "#/quarantine/"+version)
				shoot("version-held", "#/search/"+version)
			}
		}
	}
}
