package admin

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	viewing   = "viewer-viewer-viewer-viewer"
	operating = "operator-operator-operator"
	deploying = "deployer-deployer-deployer"
)

// tokensOf writes a file of tokens and reads it.
func tokensOf(t *testing.T, text string) (*Tokens, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := ReadTokens(path, slog.New(slog.DiscardHandler))
	return tokens, path, err
}

func threeTokens(t *testing.T) *Tokens {
	t.Helper()
	sum := sha256.Sum256([]byte(operating))
	tokens, _, err := tokensOf(t, fmt.Sprintf("# who\trole\ttoken\n\nvic viewer %s\n  ann\toperator\tsha256:%x # hashed\ndee deployer %s\n", viewing, sum, deploying))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// TestEachPathNeedsItsRole: every path with every token, one that is wrong, and none.
func TestEachPathNeedsItsRole(t *testing.T) {
	tokens := threeTokens(t)
	handler := Handler(Options{Tokens: tokens}, prometheus.NewRegistry(), nobody{})
	may := map[Role][]Role{RoleViewer: {RoleViewer}, RoleOperator: {RoleViewer, RoleOperator}, RoleDeployer: {RoleViewer, RoleDeployer}}
	for _, r := range new(site).routes(nil) {
		path := strings.NewReplacer("{version}", "7", "{xid}", "00000000-0000-0000-0000-000000000007", "{id}", "7", "{guest}", "bank").Replace(r.path)
		for token, role := range map[string]Role{viewing: RoleViewer, operating: RoleOperator, deploying: RoleDeployer, "": "", "no-token-of-this-host-at-all": "wrong"} {
			request := httptest.NewRequest(r.method, path, nil)
			if token != "" {
				request.Header.Set("Authorization", "bearer "+token)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, request)
			want := "let through"
			switch {
			case r.role == open, r.role == anyone && role != "wrong":
			case role == "" || role == "wrong":
				want = "401"
			case r.role != anyone && !contains(may[role], r.role):
				want = "403"
			}
			got := "let through"
			if w.Code == 401 || w.Code == 403 {
				got = fmt.Sprint(w.Code)
			}
			if got != want {
				t.Errorf("%s %s with the token of a %q is answered with %d, want it %s", r.method, path, role, w.Code, want)
			}
			if w.Code == 401 && w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s is answered with 401 and does not say how one authenticates", r.method, path)
			}
		}
	}
}

func contains(all []Role, r Role) bool {
	for _, has := range all {
		if has == r {
			return true
		}
	}
	return false
}

// TestWithoutTokensNothingChanges: the paths that change are not there.
func TestWithoutTokensNothingChanges(t *testing.T) {
	for _, r := range new(site).routes(nil) {
		if r.method != http.MethodPost {
			continue
		}
		answer, body := answered(nobody{}, r.method, r.path)
		if answer.StatusCode != http.StatusNotFound || !strings.Contains(body, "http.tokens") {
			t.Errorf("%s: %d %s", r.path, answer.StatusCode, body)
		}
	}
}

// TestTokensThatAreWrong say in which line, and show no token.
func TestTokensThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "it has no token",
		"# nobody\n":                     "it has no token",
		"ann operator":                   "line 1: it has 2 words",
		"ann operator a b":               "line 1: it has 4 words",
		"\nann boss " + viewing:          "line 2: the second word is no role",
		"ann viewer,, " + viewing + "\n": "line 1: the second word is no role",
		"ann viewer short-secret":        "line 1: the token has 12 characters",
		"ann viewer sha256:short-secret": "line 1: what follows sha256: is no SHA-256",
		"ann viewer sha256:" + strings.Repeat("0", 62):              "line 1: what follows sha256: is no SHA-256",
		"ann viewer " + viewing + "\nbob operator " + viewing:       "line 2: it has the token of ann",
		strings.Repeat("n", 65) + " viewer " + viewing:              "line 1: the name is no text",
		strings.Repeat("ann viewer short-secret-after-all\n", 1001): "line 2: it has the token of ann",
	} {
		_, _, err := tokensOf(t, text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), viewing) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	if _, err := ReadTokens("/dev/zero", nil); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a device: %v", err)
	}
	if _, err := ReadTokens(filepath.Join(t.TempDir(), "none"), nil); err == nil || !strings.Contains(err.Error(), "write a file") {
		t.Errorf("no file: %v", err)
	}
}

// TestTokensAreReadAgain: one that is taken out is refused, whatever is wrong with the file, and each mistake is said.
func TestTokensAreReadAgain(t *testing.T) {
	tokens, path, err := tokensOf(t, "ann operator "+operating+"\n")
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		tokens.looked = time.Time{} // a second is over
	}
	if tokens.find(operating) == nil || tokens.find(viewing) != nil {
		t.Error("the tokens of the file are not those that are taken")
	}
	var log strings.Builder
	tokens.log = slog.New(slog.NewTextHandler(&log, nil))
	for i, c := range []struct {
		text   string // none removes the file
		has    []string
		lacks  []string
		logged string
	}{
		{"ann operator " + operating + "\nvic viewer short\n", []string{operating}, []string{viewing}, "line 2"},
		{"vic viewer short\n", nil, []string{operating, viewing}, "line 1"},
		{"\ufeffvic viewer " + viewing + " # and no ann\n", []string{viewing}, []string{operating}, "read again"},
		{"vic viewer " + viewing + "\nann boss " + operating + "\n", []string{viewing}, []string{operating}, "no role"},
		{"", nil, []string{operating, viewing}, "it has no token"},
		{"vic viewer " + viewing + "\n", []string{viewing}, []string{operating}, "read again"},
		{"none", nil, []string{operating, viewing}, "no such file"},
		{"vic viewer " + viewing + "\n", []string{viewing}, []string{operating}, "read again"},
	} {
		log.Reset()
		if c.text == "none" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		} else {
			write(c.text)
		}
		for range 2 {
			tokens.looked = time.Time{} // a second is over
			for _, token := range c.has {
				if tokens.find(token) == nil {
					t.Errorf("change %d: a token of the file is not taken", i)
				}
			}
			for _, token := range c.lacks {
				if tokens.find(token) != nil {
					t.Errorf("change %d: a token is taken that the file has not", i)
				}
			}
		}
		if said := log.String(); !strings.Contains(said, c.logged) || strings.Count(said, "\n") != 1 {
			t.Errorf("change %d: it said %q", i, said)
		}
	}
}

// TestStrangePagesAreRefused: a browser says from where a request comes.
func TestStrangePagesAreRefused(t *testing.T) {
	handler := Handler(Options{Tokens: threeTokens(t)}, prometheus.NewRegistry(), nobody{})
	for _, c := range []struct {
		method, origin, site string
		refused              bool
	}{
		{"GET", "", "", false}, {"GET", "http://example.com", "same-origin", false}, {"POST", "http://EXAMPLE.com", "same-origin", false},
		{"GET", "http://evil.example.org", "", true}, {"GET", "null", "", true}, {"POST", "https://example.com:8443", "", true},
		{"POST", "", "cross-site", true}, {"POST", "", "same-site", true}, {"POST", "", "none", false}, {"GET", "", "cross-site", false},
	} {
		path := "/v1/me"
		if c.method == "POST" {
			path = "/v1/pause"
		}
		r := httptest.NewRequest(c.method, path, nil) // for example.com
		r.Header.Set("Authorization", "Bearer "+viewing)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if refused := w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), "another site"); refused != c.refused {
			t.Errorf("%+v is answered with %d %s", c, w.Code, w.Body)
		}
	}
}
