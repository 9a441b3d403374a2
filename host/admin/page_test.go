package admin

import (
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/status"
)

// TestPageIsOpenAndStrict: whoever reaches the listener is given the page, with or without tokens, and it may load
// and ask nothing but this host.
func TestPageIsOpenAndStrict(t *testing.T) {
	tokens, _, err := tokensOf(t, "ann operator "+operating)
	if err != nil {
		t.Fatal(err)
	}
	for _, opts := range []Options{{}, {Tokens: tokens}} {
		handler := Handler(opts, prometheus.NewRegistry(), nobody{})
		for _, at := range []string{"/", "/page/app.js", "/page/style.css", "/page/icon.svg", "/page/vendor/preact.js", "/page/reasons.js", "/page/vendor/htm.LICENSE.txt"} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, at, nil))
			h := w.Result().Header
			if w.Code != http.StatusOK || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-cache" {
				t.Errorf("%s: %d, %v", at, w.Code, h)
			}
			if want := pageTypes[path.Ext(at)]; at != "/" && h.Get("Content-Type") != want || at == "/" && h.Get("Content-Type") != pageTypes[".html"] {
				t.Errorf("%s is %q", at, h.Get("Content-Type"))
			}
			for _, directive := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:", "frame-ancestors 'none'", "base-uri 'none'"} {
				if !strings.Contains(h.Get("Content-Security-Policy")+";", directive+";") {
					t.Errorf("%s lacks %s: %q", at, directive, h.Get("Content-Security-Policy"))
				}
			}
		}
	}
}

// TestPageIsAskedForAgainOnlyWhenItChanged: a browser that has a file is told so.
func TestPageIsAskedForAgainOnlyWhenItChanged(t *testing.T) {
	first, _ := answered(nobody{}, http.MethodGet, "/page/app.js")
	r := httptest.NewRequest(http.MethodGet, "/page/app.js", nil)
	r.Header.Set("If-None-Match", first.Header.Get("ETag"))
	w := httptest.NewRecorder()
	Handler(Options{}, prometheus.NewRegistry(), nobody{}).ServeHTTP(w, r)
	if w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("%d with %d bytes", w.Code, w.Body.Len())
	}
}

var (
	named      = regexp.MustCompile(`(?:from |import |src=|href=)["']([^"'#]+)["']`)
	elsewhere  = regexp.MustCompile(`(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}`)
	dangerous  = regexp.MustCompile(`dangerouslySetInnerHTML|innerHTML|\beval\(|new Function|document\.write|\.setAttribute\(['"](?:style|on)`)
	inDocument = regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script(?: type="module")?>`)
)

// TestPageHasAllThatItNames: each file that a file of the page names is there, none is named elsewhere, and nothing
// is drawn from a text as if it were the page.
func TestPageHasAllThatItNames(t *testing.T) {
	files, err := page()
	if err != nil {
		t.Fatal(err)
	}
	for at, file := range files {
		if path.Ext(file.name) == ".txt" {
			continue
		}
		text := string(file.content)
		ours := !strings.Contains(at, "/vendor/")
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			if to := path.Join(path.Dir(at), m[1]); ours && files[to].content == nil && !strings.HasPrefix(to, "/v1/") {
				t.Errorf("%s names %s, which is not there", at, m[1])
			}
		}
		if m := elsewhere.FindString(strings.ReplaceAll(text, "http://www.w3.org/", "")); m != "" {
			t.Errorf("%s names %s", at, m)
		}
		if m := dangerous.FindString(text); m != "" && ours {
			t.Errorf("%s has %s", at, m)
		}
		if at == "/" && inDocument.MatchString(text) {
			t.Errorf("the document has a script or a style in it: %q", inDocument.FindString(text))
		}
		if file.kind == "" {
			t.Errorf("%s has no type", at)
		}
		if lines := strings.Count(text, "\n"); ours && lines > 300 {
			t.Errorf("%s has %d lines: a file is about one thing", at, lines)
		}
	}
}

// TestPageExplainsEachReason: a reason of the host is explained in the page.
func TestPageExplainsEachReason(t *testing.T) {
	_, text := answered(nobody{}, http.MethodGet, "/page/reasons.js")
	_, words := answered(nobody{}, http.MethodGet, "/page/words.js")
	for _, e := range status.Explained {
		if !strings.Contains(text, `"`+string(e.Reason)+`": {`) {
			t.Errorf("the page does not explain %s", e.Reason)
		}
		if !regexp.MustCompile(`\b` + string(e.Reason) + `: '(log|suffix|queue|lanes|snapshot)'`).MatchString(words) {
			t.Errorf("the page does not say at which station one sees %s", e.Reason)
		}
	}
}
