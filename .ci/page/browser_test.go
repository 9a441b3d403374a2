package page

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/admin"
)

// The tokens of the file that hosts have here.
const (
	viewing   = "v0000000000000000000000000000000"
	operating = "o0000000000000000000000000000000"
	deploying = "d0000000000000000000000000000000"
	tokenFile = "vera viewer " + viewing + "\nann operator " + operating + "\ncarol deployer " + deploying + "\n"
)

var (
	shots   = flag.String("shots", "", "a directory for pictures of every section")
	picture = flag.String("url", "", "a running host to take the pictures of, with the token in ICHOR_TOKEN where it has tokens; else they are of a fake one")
)

// patience is for what a page does by itself, at the latest: only a broken one needs it.
const patience = 30 * time.Second

// browser is the one of all tests; each has a tab of its own.
var browser context.Context

func TestMain(m *testing.M) {
	flag.Parse()
	path, err := exec.LookPath(cmp.Or(os.Getenv("CHROME"), "chromium"))
	if err != nil {
		fmt.Fprintf(os.Stderr, "the tests of the page need a browser: %v: install chromium (apt-get install chromium), or set CHROME to one\n", err)
		os.Exit(3)
	}
	scratch, err := os.MkdirTemp("", "ichor-page-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// A browser that is killed, as chromedp ends it, leaves a socket in the folder for temporary files.
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.Env("TMPDIR="+scratch),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true))
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), opts...)
	var end context.CancelFunc
	browser, end = chromedp.NewContext(allocator)
	code := 1
	if err := chromedp.Do(browser); err != nil {
		fmt.Fprintln(os.Stderr, path, "does not start:", err)
	} else {
		code = m.Run()
	}
	end()
	endAllocator()
	if err := os.RemoveAll(scratch); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// tab is a page of a host in the browser.
type tab struct {
	t      *testing.T
	ctx    context.Context
	base   string // the host's address, without a / at its end
	tokens string // the file of them; empty for none

	asks atomic.Int64 // of the host
	away atomic.Bool  // it does not answer

	mu       sync.Mutex
	problems []string // what a browser complains about, and requests to elsewhere
}

// view is how a page is looked at.
type view struct {
	width  int64
	scheme string // light or dark
}

var usual = view{1280, "light"}

// open shows the page of a host. A file of tokens that is empty is none. When the test ends the browser must have had
// nothing to complain about, and the page must have asked its own host alone.
func open(t *testing.T, h *fakeHost, tokens, token, place string, v view) *tab {
	t.Helper()
	p := &tab{t: t}
	opts := admin.Options{ModuleMost: 1 << 20}
	if tokens != "" {
		p.tokens = filepath.Join(t.TempDir(), "tokens")
		p.rewrite(tokens)
		var err error
		opts.Tokens, err = admin.ReadTokens(p.tokens, slog.New(slog.DiscardHandler))
		p.must(err)
	}
	server := httptest.NewServer(p.counted(admin.Handler(opts, prometheus.NewRegistry(), h)))
	t.Cleanup(server.Close)
	p.base = server.URL
	p.show(token, place, v)
	return p
}

// show opens the tab and shows the page of the host at its address.
func (p *tab) show(token, place string, v view) {
	p.t.Helper()
	var end context.CancelFunc
	p.ctx, end = chromedp.NewContext(browser)
	p.t.Cleanup(func() {
		end()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, problem := range p.problems {
			p.t.Error(problem)
		}
	})
	p.must(chromedp.Listen(p.ctx, p.watch))
	p.look(v)
	p.must(chromedp.Do(p.ctx, chromedp.Navigate(p.base+"/")))
	if token != "" {
		p.eval(fmt.Sprintf(`sessionStorage.setItem('ichor.token', %q)`, token))
		p.must(chromedp.Do(p.ctx, chromedp.Reload()))
	}
	p.visit(place)
}

// rewrite writes the file of tokens, which the host reads again within a second.
func (p *tab) rewrite(tokens string) {
	p.t.Helper()
	p.must(os.WriteFile(p.tokens, []byte(tokens), 0o600))
}

// me returns what the host says of who has a token.
func (p *tab) me(token string) string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.base+"/v1/me", nil)
	p.must(err)
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	p.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	p.must(err)
	return string(text)
}

// look changes how the page is looked at.
func (p *tab) look(v view) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}}})
	p.must(err)
	p.must(chromedp.Do(p.ctx, chromedp.EmulateViewport(v.width, 900)))
}

// counted counts what the host is asked, and hangs up while it is away.
func (p *tab) counted(host http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asks.Add(1)
		if p.away.Load() {
			panic(http.ErrAbortHandler)
		}
		host.ServeHTTP(w, r)
	})
}

// interrupt has the host hang up, until it is called back.
func (p *tab) interrupt() (back func()) {
	p.away.Store(true)
	return func() { p.away.Store(false) }
}

// wait waits until something is so.
func (p *tab) wait(is func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatal("it does not come to be")
		}
	}
}

// watch takes what the browser says. An answer other than 200 is part of what is tested, and no complaint.
func (p *tab) watch(event any) {
	complain := func(format string, args ...any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.problems = append(p.problems, fmt.Sprintf(format, args...))
	}
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		complain("the page throws: %v", e.ExceptionDetails.Exception)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			complain("the page says: %s", e.Args[0].Value)
		}
	case *log.EventEntryAdded:
		if e.Entry.Source != "network" && (e.Entry.Level == "error" || e.Entry.Level == "warning") {
			complain("the browser says: %s", e.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, p.base+"/") && !strings.HasPrefix(e.Request.URL, "data:") {
			complain("the page asks %s", e.Request.URL)
		}
	}
}

func (p *tab) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// eval evaluates an expression.
func (p *tab) eval(script string) {
	p.t.Helper()
	p.must(chromedp.Do(p.ctx, chromedp.Evaluate[chromedp.Void](script)))
}

// visit goes to a place, as #/quarantine/7, by its address.
func (p *tab) visit(place string) {
	p.t.Helper()
	p.until(`document.querySelector('h1')`) // it knows who asks
	if place != "" {
		p.eval(fmt.Sprintf("location.hash = %q", place))
	}
}

// until waits until an expression is true. The page's policy lets nothing be evaluated in the page, so it is not the
// page that waits.
func (p *tab) until(script string) {
	p.t.Helper()
	end := time.Now().Add(patience)
	for {
		is, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("(async () => Boolean(await ("+script+")))()", chromedp.EvalAwaitPromise))
		if err == nil && is {
			return
		}
		if time.Now().After(end) {
			text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
			p.t.Fatalf("not so: %s (%v)\nthe page:\n%s", script, err, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// says waits until the page, or a part of it, shows a text.
func (p *tab) says(selector, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("[...document.querySelectorAll(%q)].some((e) => e.innerText.replace(/\\s+/g, ' ').includes(%s))", selector, quoted(text)))
}

// saysNot says at once that no part shows a text.
func (p *tab) saysNot(selector, text string) {
	p.t.Helper()
	shown, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](fmt.Sprintf("[...document.querySelectorAll(%q)].some((e) => e.innerText.includes(%s))", selector, quoted(text))))
	p.must(err)
	if shown {
		p.t.Errorf("%s says %q", selector, text)
	}
}

func quoted(text string) string {
	q, _ := json.Marshal(text)
	return string(q)
}

// text returns what an expression says.
func (p *tab) text(script string) string {
	p.t.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](script))
	p.must(err)
	return text
}

// press clicks the first thing of a selector that has a text.
func (p *tab) press(selector, text string) {
	p.t.Helper()
	p.says(selector, text)
	p.eval(fmt.Sprintf("[...document.querySelectorAll(%q)].find((e) => e.innerText.includes(%s)).click()", selector, quoted(text)))
}

// keys sends keys to what has the focus.
func (p *tab) keys(all ...string) {
	p.t.Helper()
	for _, key := range all {
		p.must(chromedp.Do(p.ctx, chromedp.KeyEvent(key)))
	}
}

// write focuses a field and writes into it.
func (p *tab) write(selector, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("(() => { const e = document.querySelector(%q); e?.focus(); return e && document.activeElement === e; })()", selector))
	p.keys(text)
}
