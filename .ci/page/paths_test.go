package page

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

func TestPipelineShowsEachStation(t *testing.T) {
	p := open(t, newFakeHost(0), "", "", "", usual)
	for _, station := range []string{"Log", "Suffix", "Queue", "Lanes", "Snapshot"} {
		p.says(".stage h3", station)
	}
	p.says(".verdict", "Ready")
	p.says("header", "read-only")
	p.saysNot("button", "Pause")
}

// TestAnInstantIsNoAlarm: a version that has just come waits for its decision, as each does, while the host is ready.
func TestAnInstantIsNoAlarm(t *testing.T) {
	h := newFakeHost(0)
	h.waiting = status.Undecided
	p := open(t, h, "", "", "", usual)
	p.says(".stage .why", "The next version has no decision yet. Version 10")
	p.until(`document.querySelectorAll('.stage.waits').length === 0`)
	h.with(func() { h.waiting = status.SlowStatement })
	p.says(".stage.waits", "runs into database.statement_timeout")
}

// TestWhatHoldsTheSnapshotIsExplained: the reason, what to do about it in the words of the README, and where.
func TestWhatHoldsTheSnapshotIsExplained(t *testing.T) {
	p := open(t, newFakeHost(3), "", "", "", usual)
	p.says(".verdict", "Not ready poison_held")
	p.says(".verdict", "What to do: ichor quarantine show VERSION has the error")
	p.says(".stage.waits", "A version cannot be installed")
	p.says("nav", "3 held")
	p.press(".stage.waits a", "1000007")
	p.says("h2", "Version 1000007")
	p.says("main", "at least 14 versions over 9 keys; 11 for nothing else that is stuck")
	p.press("main a", "In the quarantine")
	p.says(".one", "duplicate key value violates unique constraint")
}

func TestSearchExplainsAVersion(t *testing.T) {
	p := open(t, newFakeHost(3), "", "", "#/search", usual)
	p.write("#of", "1000600"+kb.Enter)
	p.says("main", "waits for versions 1000007 and 1000500")
	p.says("td", "account:0039")
	p.press("td a", "1000500")
	p.says("h2", "Version 1000500 ▲undecided")
	p.saysNot("button", "Abandon") // no token
	p.write("#of", kb.Backspace+"x"+kb.Enter)
	p.says("[role=alert]", "neither")
	p.visit("#/search/9007199254740993") // no number of a browser is this one
	p.says("h2", "Version 9007199254740993")
}

func TestSearchFindsBothVersionsOfAnXID(t *testing.T) {
	p := open(t, newFakeHost(0), "", "", "#/search", usual)
	p.write("#of", "00000000-0000-0000-0000-000000000007"+kb.Enter)
	p.says("main", "The xid has 2 versions")
	p.says("h2", "Version 999001")
	p.says("h2", "Version 999009")
	p.visit("#/search/00000000-0000-0000-0000-000000000008")
	p.says("[role=alert]", "no candidate with this xid was read")
	p.visit("#/search/5")
	p.says("[role=alert]", "the host does not run yet")
}

func TestJourneyShowsEachOfItsTimes(t *testing.T) {
	p := open(t, newFakeHost(0), "", "", "#/journeys", usual)
	p.says("section", "Slowest")
	newest := strings.SplitN(p.rows("Recent"), "\n", 3)
	lines(t, "one ahead of the snapshot, and one that it has passed", strings.Join(newest[:2], "\n"), "1000001 | 1.9 ms | – | ", "1000000 | ×2 2.85 ms | 3 ms | ")
	p.press("td a", "999999")
	p.says(".waterfall", "Version 999999 took 4 ms, by guest 40ace93a7224, which made 2 statements of it and burned 14,200 of fuel.")
	p.says(".waterfall", "Cohort bank, xid f100642e-5f9f-4e53-89a2-000000000007, templates transfer, fee")
	for _, leg := range []string{"waits for its decision 1.28 ms", "behind earlier versions 120 µs", "host, before the guest (host) 80 µs", "guest converts (guest) 440 µs", "host, after the guest (host) 40 µs", "in the queue", "database installs (database) 1.24 ms", "until the snapshot (waits for others) 200 µs"} {
		words := strings.Fields(leg)
		p.until(fmt.Sprintf("[...document.querySelectorAll('.waterfall tr')].some((e) => %s.every((word) => e.textContent.includes(word)))", list(words)))
	}
	if rows := p.text(`String(document.querySelectorAll('.waterfall tbody tr').length)`); rows != "10" {
		t.Errorf("%s times between eleven events", rows)
	}
}

func list(words []string) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = quoted(w)
	}
	return "[" + strings.Join(all, ",") + "]"
}

// TestWithoutATokenNothingIsShownButReadiness, until one is given, which is kept for this tab alone.
func TestWithoutATokenNothingIsShownButReadiness(t *testing.T) {
	p := open(t, newFakeHost(3), tokenFile, "", "", usual)
	p.says(".verdict", "poison_held")
	p.says("main", "This host has tokens")
	p.saysNot("main", "Lanes")
	p.visit("#/quarantine")
	p.says("h1", "Quarantine")
	p.saysNot("main", "23505")
	p.press("header button", "Give a token")
	p.write("#token", "a token of another host"+kb.Enter)
	p.says("[role=alert]", "none of this host’s")
	p.eval(`document.getElementById('token').value = ''`)
	p.write("#token", viewing+kb.Enter)
	p.says("header", "vera viewer")
	p.says("td", "23505")
	p.saysNot("button", "Retry all") // a viewer's
	if kept := p.text(`JSON.stringify([sessionStorage.getItem('ichor.token'), JSON.stringify(localStorage), document.cookie, location.href.includes('v000')])`); kept != `["`+viewing+`","{}","",false]` {
		t.Errorf("the token is kept as %s", kept)
	}
	p.press("header button", "Forget the token")
	p.says("main", "This host has tokens")
	if kept := p.text(`String(sessionStorage.getItem('ichor.token'))`); kept != "null" {
		t.Errorf("the token is kept after that: %s", kept)
	}
}

// TestAnAddressCarriesAToken into a tab, which takes it out of the address: when the page is opened, and when the address is
// given to a tab that shows it. One that is none of the host's is dropped. A page that is not of this machine takes none.
func TestAnAddressCarriesAToken(t *testing.T) {
	p := open(t, newFakeHost(3), tokenFile, "", "", usual)
	kept := func(want string) {
		t.Helper()
		if is := p.text(`JSON.stringify([sessionStorage.getItem('ichor.token'), location.href.includes('token')])`); is != want {
			t.Errorf("kept is %s, want %s", is, want)
		}
	}
	p.must(chromedp.Do(p.ctx, chromedp.Navigate("about:blank")))
	p.must(chromedp.Do(p.ctx, chromedp.Navigate(p.base+"/#token="+operating)))
	p.says("header", "ann operator")
	kept(`["` + operating + `",false]`)
	p.eval(`location.hash = '#token=` + viewing + `'`)
	p.says("header", "vera viewer")
	kept(`["` + viewing + `",false]`)
	p.eval(`location.hash = '#token='`) // is none
	p.until(`!location.hash`)
	p.says("header", "vera viewer")
	p.eval(`location.hash = '#token=of-another-host'`)
	p.says("main", "The token that this tab had is none of the host’s any more")
	kept(`[null,false]`)
}

// TestTokenThatIsTakenOutIsSaid, and one that has another role is taken at its word.
func TestTokenThatIsTakenOutIsSaid(t *testing.T) {
	p := open(t, newFakeHost(3), tokenFile, operating, "#/quarantine", usual)
	p.says("td", "Retry all")
	p.rewrite(strings.Replace(tokenFile, "ann operator", "ann viewer", 1))
	p.wait(func() bool { return strings.Contains(p.me(operating), `["viewer"]`) })
	p.press("td button", "Retry all")
	p.write("#reason", "it is mended")
	p.press("dialog button", "Retry all")
	p.says("dialog [role=alert]", "it needs the role operator")
	p.press("dialog button", "Cancel")
	p.says("header", "ann viewer")
	p.until(`![...document.querySelectorAll('button')].some((e) => e.innerText.includes('Retry all'))`)
	p.rewrite("vera viewer " + viewing + "\n")
	p.says("main", "The token that this tab had is none of the host’s any more")
	p.says("header", "Give a token")
	p.press("header button", "Give a token")
	p.write("#token", "τ"+viewing+kb.Enter) // what no header takes
	p.says("form [role=alert]", "none of this host’s")
	p.eval(`document.getElementById('token').value = ''`)
	p.write("#token", viewing+kb.Enter)
	p.says("header", "vera viewer")
	p.saysNot("main", "any more")
}

func TestSkipNeedsAReasonAndNamesWhatIsShown(t *testing.T) {
	h := newFakeHost(3)
	p := open(t, h, tokenFile, operating, "#/quarantine/1000020", usual)
	p.press(".one button", "Skip")
	p.says("dialog", "it settles without effects, and 11 versions go on over rows that lack them")
	p.write("#reason", " ")
	p.press("dialog button", "Skip")
	p.says("dialog [role=alert]", "Give a reason")
	if _, n := h.latest(); n != 0 {
		t.Error("it was asked for without a reason")
	}
	p.write("#reason", "the account was closed by hand")
	p.press("dialog button", "Skip")
	p.says("dialog", "Done.")
	a, _ := h.latest()
	if a.Verb != "skip" || a.Version != 1_000_020 || a.Hash != "0000000a0001" || a.Who != "ann" || a.Reason != "the account was closed by hand" {
		t.Errorf("asked was %+v", a)
	}
	p.press("dialog button", "Close")
	p.until(`!document.querySelector('dialog')`)
	p.says("[role=alert]", "the version is not in the quarantine")
	p.until(`document.querySelectorAll('[role=option]').length === 2`)
}

// TestSkipOfWhatChangedIsRefused: what was shown is another by now.
func TestSkipOfWhatChangedIsRefused(t *testing.T) {
	h := newFakeHost(3)
	p := open(t, h, tokenFile, operating, "#/quarantine/1000020", usual)
	p.press(".one button", "Skip")
	h.with(func() { h.held[1].Hash = "ffffffffffff" })
	p.write("#reason", "it is wrong")
	p.press("dialog button", "Skip")
	p.says("dialog [role=alert]", "ffffffffffff")
}

func TestAllThatAreHeldForAReasonAreRetried(t *testing.T) {
	h := newFakeHost(9)
	p := open(t, h, tokenFile, operating, "#/quarantine", usual)
	p.says("td", "guest_reject")
	p.eval(`document.querySelector('[aria-label^="Retry all… 3 versions held for guest_reject 17"]').click()`)
	p.write("#reason", "the guest is mended")
	p.press("dialog button", "Retry all")
	p.says("dialog", "3 are done.")
	a, n := h.latest()
	if a.Verb != "retry" || a.filter != (installer.Filter{Kind: "guest_reject", Code: "17"}) || n != 3 {
		t.Errorf("asked was %+v, %d", a, n)
	}
	p.keys(kb.Escape)
	p.until(`!document.querySelector('dialog')`)
	p.says("nav", "6 held")
	p.eval(`document.querySelector('[aria-label^="Skip all… 6 versions held for sql 23505"]').click()`)
	p.write("#reason", "they were made by hand")
	p.press("dialog button", "Skip all")
	p.says("dialog", "6 are done.")
	p.press("dialog button", "Close")
	p.says("main", "Nothing is held.")
}

// TestThousandHeldVersionsAreNoMoreThanTheRowsThatAreSeen: the list has them all and draws few.
func TestThousandHeldVersionsAreNoMoreThanTheRowsThatAreSeen(t *testing.T) {
	p := open(t, newFakeHost(1000), "", "", "#/quarantine", usual)
	p.says("[role=option]", "1000007")
	p.until(`document.querySelector('[role=option]').getAttribute('aria-setsize') === '1000'`)
	p.until(`document.querySelectorAll('[role=option]').length < 40`)
	p.eval(`document.querySelector('[role=listbox]').focus()`)
	p.keys(kb.End)
	p.says("[role=option].active", "1012994")
	p.until(`document.querySelectorAll('[role=option]').length < 40`)
	p.until(`document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))`)
	p.keys(kb.ArrowUp, kb.ArrowUp, kb.Enter)
	p.says(".one h2", "Version 1012968")
	p.until(`location.hash === '#/quarantine/1012968'`)
	p.says("[role=option][aria-selected=true]", "1012968")
}

func TestStatemapIsShownAsItStandsInTheLog(t *testing.T) {
	p := open(t, newFakeHost(1), "", "", "#/quarantine/1000007", usual)
	p.says(".one pre", `"amount": 1.0,`)
	p.says(".one pre", `12345678901234567890`)
	p.says(".one li", "$2 null text")
}

func TestRollbackNamesTheModuleAndWhatConvertsNow(t *testing.T) {
	h := newFakeHost(0)
	p := open(t, h, tokenFile, deploying, "#/guests", usual)
	p.press("button", "Roll back")
	p.says("dialog", "Nothing that was installed is undone")
	p.eval(`{ const s = document.getElementById('to'); s.value = s.options[1].value; }`)
	p.write("#reason", "amounts are wrong")
	p.press("dialog button", "Roll back")
	p.says("dialog", "Done.")
	if a, _ := h.latest(); a.Verb != "swap" || a.Guest != "banking" || a.Digest != oldModule || a.Who != "carol" {
		t.Errorf("asked was %+v", a)
	}
	p.press("dialog a", "All requests")
	p.says("h1", "Requests")
	p.says("td", "rollback")
}

// TestRollbackOfWhatChangedIsRefused: another module converts by now than the one that was shown.
func TestRollbackOfWhatChangedIsRefused(t *testing.T) {
	h := newFakeHost(0)
	p := open(t, h, tokenFile, deploying, "#/guests", usual)
	p.press("button", "Roll back")
	h.with(func() { h.converting = oldModule })
	p.write("#reason", "amounts are wrong")
	p.press("dialog button", "Roll back")
	p.says("dialog [role=alert]", "If-Match names another")
	if _, n := h.latest(); n != 0 {
		t.Error("it was asked for")
	}
}

func TestModuleIsUploaded(t *testing.T) {
	h := newFakeHost(0)
	h.outcome = "" // it stands
	p := open(t, h, tokenFile, deploying, "#/guests", usual)
	for _, content := range []string{"bad", "good"} {
		file := filepath.Join(t.TempDir(), "banking.wasm")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		p.press("button", "Upload")
		p.until(`document.getElementById('module')`)
		p.must(chromedp.Do(p.ctx, chromedp.SetUploadFiles("#module", []string{file})))
		p.write("#reason", "fees in cents & more")
		p.press("dialog button", "Upload")
		if content == "bad" {
			p.says("dialog [role=alert]", "nothing was changed: its vectors fail: GREET")
			p.press("dialog button", "Cancel")
			p.until(`!document.querySelector('dialog')`)
		}
	}
	p.says("dialog", "It is written down as request 1 and stands")
	if a, _ := h.latest(); a.Verb != "deploy" || a.Digest != oldModule || a.Reason != "fees in cents & more" {
		t.Errorf("asked was %+v", a)
	}
}

// TestRolesSeeTheirButtonsAlone: what a role may not do is not shown.
func TestRolesSeeTheirButtonsAlone(t *testing.T) {
	for token, sees := range map[string]map[string]bool{
		viewing:   {"#/pipeline Pause": false, "#/guests Roll back": false, "#/quarantine/1000007 Skip": false, "#/search/1000500 Abandon": false},
		operating: {"#/pipeline Pause": true, "#/guests Roll back": false, "#/quarantine/1000007 Skip": true, "#/search/1000500 Abandon": true},
		deploying: {"#/pipeline Pause": false, "#/guests Roll back": true, "#/quarantine/1000007 Skip": false, "#/search/1000500 Abandon": false},
	} {
		p := open(t, newFakeHost(3), tokenFile, token, "", usual)
		for what, may := range sees {
			place, button, _ := strings.Cut(what, " ")
			p.visit(place)
			p.says("main", map[string]string{"#/pipeline": "4 of 4 lanes", "#/guests": "fees in cents", "#/quarantine/1000007": "Statemap", "#/search/1000500": "has no decision yet"}[place])
			if may {
				p.says("main button", button)
			} else {
				p.saysNot("main button", button)
			}
		}
	}
}

func TestPauseAndResume(t *testing.T) {
	h := newFakeHost(0)
	p := open(t, h, tokenFile, operating, "", usual)
	p.press("button", "Pause")
	p.write("#reason", "a column is added")
	p.press("dialog button", "Pause")
	p.says("dialog", "Done.")
	p.keys(kb.Escape)
	p.says(".verdict", "paused")
	p.says("main", "a column is added")
	p.press("main button", "Resume")
	p.write("#reason", "it is there")
	p.press("dialog button", "Resume")
	p.says("dialog", "Done.")
	p.keys(kb.Escape)
	p.says(".verdict", "Ready")
}

func TestRefusalIsSaidWhereItWasAskedFor(t *testing.T) {
	h := newFakeHost(0)
	h.refusal = &installer.RefusedError{What: "a decision is there"}
	p := open(t, h, tokenFile, operating, "#/search/1000500", usual)
	p.press("main button", "Abandon")
	p.write("#reason", "the certifier lost it")
	p.press("dialog button", "Abandon")
	p.says("dialog [role=alert]", "a decision is there")
	h.with(func() { h.refusal, h.outcome = errors.New("no connection"), "" })
	p.press("dialog button", "Abandon")
	p.says("dialog [role=alert]", "no connection")
	if a, _ := h.latest(); a.Version != talos.Version(1_000_500) {
		t.Errorf("asked was %+v", a)
	}
}

// TestHostThatDoesNotAnswerIsSaid with since when, and what is shown goes on when it answers again.
func TestHostThatDoesNotAnswerIsSaid(t *testing.T) {
	h := newFakeHost(0)
	p := open(t, h, "", "", "", usual)
	p.says(".stage", "in flight")
	away := p.interrupt()
	p.says(".banner [role=alert]", "No answer since")
	p.says(".banner", "asked again in")
	p.says("header", "no answer")
	p.says(".stage", "in flight") // what was shown still is
	away()
	p.press(".banner button", "Ask now")
	p.until(`!document.querySelector('.banner')`)
	p.says("header", "ready")
}

// TestHostOfAnotherVersionIsSaid, and the page is loaded again by a button.
func TestHostOfAnotherVersionIsSaid(t *testing.T) {
	h := newFakeHost(0)
	p := open(t, h, "", "", "", usual)
	p.says(".stage", "in flight")
	p.until(`!document.querySelector('.banner')`)
	h.with(func() { h.version = "v1.0.0" })
	p.says(".banner [role=alert]", "The host is of version v1.0.0 now: this page came with v0.9.0")
	p.press(".banner button", "Load the page again")
	p.says(".stage", "in flight")
	p.until(`!document.querySelector('.banner')`)
}

// TestHiddenTabAsksNothing, and asks at once when it is shown again.
func TestHiddenTabAsksNothing(t *testing.T) {
	p := open(t, newFakeHost(0), "", "", "", usual)
	p.says(".stage", "in flight")
	hide := func(is bool) {
		p.eval(fmt.Sprintf(`Object.defineProperty(document, 'hidden', { value: %v, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`, is))
	}
	hide(true)
	p.until(`new Promise((after) => setTimeout(() => after(true), 300))`) // what is under way is answered
	before := p.asks.Load()
	p.until(`new Promise((after) => setTimeout(() => after(true), 2500))`)
	if now := p.asks.Load(); now != before {
		t.Errorf("a hidden page asked %d times", now-before)
	}
	hide(false)
	p.wait(func() bool { return p.asks.Load() > before })
}

func TestChartsAreReadByKeyboard(t *testing.T) {
	p := open(t, newFakeHost(0), "", "", "#/charts", usual)
	for _, title := range []string{"Rate", "Lag", "Time to the log’s end", "Latency", "Snapshot age", "Queue", "Memory"} {
		p.says(".chart h2", title)
	}
	p.says(".chart", "positions behind the log’s end: there in 89 ms at this rate")
	p.eval(`document.querySelector('.chart[aria-label="Latency"] .plot').focus()`)
	p.keys(kb.ArrowLeft, kb.ArrowLeft)
	p.until(`/^\d\d:\d\d:\d\d: p50 [\d.]+ ms, p99 [\d.]+ ms$/.test(document.querySelector('.chart[aria-label="Latency"] [aria-live]').innerText)`)
	first := p.text(`document.querySelector('.chart[aria-label="Latency"] [aria-live]').innerText`)
	p.keys(kb.PageUp)
	p.until(fmt.Sprintf(`document.querySelector('.chart[aria-label="Latency"] [aria-live]').innerText !== %s`, quoted(first)))
	p.until(`document.querySelectorAll('.cursor').length === 7`) // the same instant in all
	p.until(`document.querySelector('.chart[aria-label="Rate"] [aria-live]').innerText === ''`)
	p.keys(kb.Escape)
	p.until(`document.querySelectorAll('.cursor').length === 0`)
	p.press(`.chart[aria-label="Latency"] summary`, "Table")
	p.until(`document.querySelectorAll('.chart[aria-label="Latency"] tbody tr').length >= 300`)
	p.says(`.chart[aria-label="Latency"] th`, "p99")
	// The table has what the cursor said of its instant.
	p.until(fmt.Sprintf(`[...document.querySelectorAll('.chart[aria-label="Latency"] tbody tr')].some(({ cells: [at, p50, p99] }) => at.innerText + ': p50 ' + p50.innerText + ', p99 ' + p99.innerText === %s)`, quoted(first)))
}

// TestEverySectionIsReachedByKeyboard: from the top of the page by Tab and Enter, and its heading has the focus.
func TestEverySectionIsReachedByKeyboard(t *testing.T) {
	p := open(t, newFakeHost(3), tokenFile, operating, "", usual)
	for _, section := range []string{"Pipeline", "Journeys", "Search", "Quarantine", "Guests", "Charts", "Requests"} {
		p.eval(`document.querySelector('.skip').focus()`)
		for i := 0; p.text(`document.activeElement.innerText || ''`) == "" || !strings.HasPrefix(p.text(`document.activeElement.closest('nav') ? document.activeElement.innerText : ''`), section); i++ {
			if i > 40 {
				t.Fatalf("%s is not reached", section)
			}
			p.keys(kb.Tab)
		}
		if outline := p.text(`getComputedStyle(document.activeElement).outlineStyle`); outline != "solid" {
			t.Errorf("the focus on %s is not seen: %s", section, outline)
		}
		p.keys(kb.Enter)
		p.says("h1", section)
		if section != "Pipeline" {
			p.until(`document.activeElement.tagName === 'H1'`)
		}
		p.until(fmt.Sprintf(`document.title.startsWith(%q)`, section))
	}
}

// TestThemeIsChosenAndKept, whatever the system's is.
func TestThemeIsChosenAndKept(t *testing.T) {
	ground := `getComputedStyle(document.body).backgroundColor`
	p := open(t, newFakeHost(0), "", "", "", view{1280, "dark"})
	dark := p.text(ground)
	p.eval(`{ const s = document.querySelector('.theme select'); s.value = 'light'; s.dispatchEvent(new Event('change', { bubbles: true })); }`)
	light := p.text(ground)
	if dark == light {
		t.Errorf("light and dark are both %s", dark)
	}
	p.must(chromedp.Do(p.ctx, chromedp.Reload()))
	p.until(`document.querySelector('.stage')`)
	if now := p.text(ground); now != light {
		t.Errorf("after a reload it is %s, want %s", now, light)
	}
}
