package page

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// stations is a script that reads the stations as they are drawn at one instant: each by its title, with its depth, its
// rate and its facts as texts; number turns one of them into a number.
const stations = `const number = (text) => Number((text || '').replace(/[^\d.]/g, ''));
	const stations = Object.fromEntries([...document.querySelectorAll('.stage')].map((e) => [e.querySelector('h3').innerText.toLowerCase(), {
		big: e.querySelector('.big').innerText, of: e.querySelector('.big + p').innerText, rate: e.querySelector('.rate')?.innerText || '',
		facts: Object.fromEntries([...e.querySelectorAll('.facts > div')].map((f) => [f.querySelector('dt').innerText, f.querySelector('dd').innerText])) }]));
	const { log, suffix, queue, lanes, snapshot } = stations;`

// drawn waits until something is so of the stations.
func (p *tab) drawn(is string) {
	p.t.Helper()
	p.until("(() => { " + stations + " return " + is + "; })()")
}

// facts returns the names and values of a list, a line for each.
func (p *tab) facts(selector string) string {
	p.t.Helper()
	return p.text(fmt.Sprintf(`[...document.querySelectorAll('%s .facts > div')].map((e) => e.querySelector('dt').innerText + ': ' + e.querySelector('dd').innerText.trim()).join('\n')`, selector))
}

// rows returns the cells of a table, those of a row between bars; at is its caption.
func (p *tab) rows(at string) string {
	p.t.Helper()
	table := fmt.Sprintf(`[...document.querySelectorAll('table')].find((e) => e.caption.innerText === %s)`, quoted(at))
	p.until(table)
	return p.text(fmt.Sprintf(`[...%s.tBodies[0].rows].map((row) => [...row.cells].map((c) => c.innerText.replace(/\s+/g, ' ').trim()).join(' | ')).join('\n')`, table))
}

// lines compares texts line by line, where … stands for anything.
func lines(t *testing.T, what, got string, want ...string) {
	t.Helper()
	all := strings.Split(got, "\n")
	for i, w := range want {
		if i >= len(all) {
			break
		}
		before, after, any := strings.Cut(w, "…")
		if all[i] != w && !(any && strings.HasPrefix(all[i], before) && strings.HasSuffix(all[i], after)) {
			t.Errorf("%s: line %d is %q, want %q", what, i+1, all[i], w)
		}
	}
	if len(all) != len(want) {
		t.Errorf("%s: %d lines, want %d:\n%s", what, len(all), len(want), got)
	}
}

// TestEachStationHasItsOwnFigures: what is compared is drawn at one instant, so that no clock counts.
func TestEachStationHasItsOwnFigures(t *testing.T) {
	h := newFakeHost(0)
	p := open(t, h, "", "", "", usual)
	p.drawn(`log.big === '40' && log.of === 'positions unread' && number(log.facts.end) === number(log.facts['read next']) + 40`)
	p.drawn(`suffix.big === '12' && suffix.of === 'wait for a decision' && number(suffix.facts.lowest) === number(log.facts['read next']) - 10`)
	p.drawn(`queue.big === '57' && queue.of === 'forwarded, not passed' && number(queue.facts.frontier) === number(snapshot.big) + 1`)
	p.drawn(`lanes.big === '48' && lanes.of === 'in flight, 4 of 4 lanes' && lanes.facts['versions a group'] === '40'`)
	p.drawn(`number(snapshot.big) >= 1_000_000 && snapshot.of === 'all up to it is installed' && number(snapshot.facts['behind the end']) === number(log.facts.end) - 1 - number(snapshot.big) && snapshot.facts['at the end'] === 'in 89 ms'`)
	p.drawn(`queue.facts.held === undefined && queue.facts.undecided === undefined`)
	// The speeds of the fake host, against that of its lanes.
	p.drawn(`[[log, 5], [suffix, 3], [queue, 2], [lanes, 1], [snapshot, 4]].every(([station, times]) => Math.abs(number(station.rate) / number(lanes.rate) / times - 1) < 0.01 && /^[\d,]+\/s( positions)?$/.test(station.rate))`)
	facts := p.facts("[aria-labelledby=cohort]")
	lines(t, "cohort", facts, "this host: owns the cohort", "memory: 61 MiB of 256 MiB (24 %)", "resume point: …", "topic: certification", "Ichor: v0.9.0")
	p.until(`Math.abs(document.querySelector('meter').value - 61 / 256) < 0.001`)
	p.press("summary", "All counts")
	p.says(".counts", "paused longest 3 ms")
	p.until(`!document.querySelector('.stage.waits')`)
	h.with(func() { h.full = true })
	p.says(".stage.waits", "Reading waits: what is decided fills its share of the memory.")
	p.says("dd", "61 MiB of 256 MiB (24 %); what is decided fills its share")
}

// TestStandbyShowsWhatItHas: what it has read and holds, and who owns the cohort; neither stations nor figures of a core,
// which it has not.
func TestStandbyShowsWhatItHas(t *testing.T) {
	h := newFakeHost(0)
	h.standby = true
	p := open(t, h, tokenFile, operating, "", usual)
	p.says(".verdict", "Ready standby")
	p.says(".verdict", "ichor-1 owns the cohort, with epoch 7")
	p.drawn(`Object.keys(stations).join() === 'log,memory' && log.big === '40' && number(log.facts.end) === number(log.facts['read next']) + 40 && number(log.rate) > 0`)
	p.drawn(`stations.memory.big === '3 MiB' && !document.querySelector('.waits')`)
	lines(t, "cohort", p.facts("[aria-labelledby=cohort]"), "this host: stands by", "topic: certification", "Ichor: v0.9.0")
	for _, no := range []string{"Snapshot", "Suffix", "lanes", "resume point", "All counts"} {
		p.saysNot("main", no)
	}
	h.with(func() { h.full = true })
	p.says(".stage.waits", "Reading waits until the owner has passed some of it.")
	p.says("main button", "Pause") // it knows of no pause, and so both are there
	p.says("main button", "Resume")
	p.visit("#/charts")
	p.says("main", "This host stands by and installs nothing")
	p.until(`document.querySelectorAll('.chart').length === 7 && [...document.querySelectorAll('.reading b')].every((e) => e.innerText === '–')`)
	p.saysNot("main", "at its end")
	p.until(`document.querySelectorAll('.plot path[d=""]').length === document.querySelectorAll('.plot path').length`)
	p.press("label", "15 min") // in which it had the cohort
	p.until(`document.querySelectorAll('.plot path[d=""]').length === 0`)
	h.with(func() { h.never = true })
	p.must(chromedp.Do(p.ctx, chromedp.Reload()))
	p.says("main", "It has not had the cohort in the latest quarter of an hour.")
	p.until(`!document.querySelector('.chart')`)
	p.visit("#/search/1000600")
	p.says("[role=alert]", "this host stands by, and the owner knows: ichor-1 owns the cohort, with epoch 7")
	p.visit("#/guests")
	p.says("h2", "banking") // by the history, which the database has
	p.visit("#/journeys")
	p.says("main", "This host stands by and installs nothing: versions have their journeys on the page of the owner; those here are from when this host had the cohort. ichor-1 owns the cohort, with epoch 7.")
	p.saysNot("main", "The snapshot has passed no version")
}

// TestStandbyTakesModules: a module may be uploaded and rolled back at any host of the cohort, and the owner has it convert.
func TestStandbyTakesModules(t *testing.T) {
	h := newFakeHost(0)
	h.standby = true
	p := open(t, h, tokenFile, deploying, "#/guests", usual)
	p.says("main", "A module may be uploaded and rolled back here as well: this host judges it, and the owner has it convert. ichor-1 owns the cohort")
	p.press("button", "Upload")
	p.says("dialog", "another than 40ace93a7224 converts by then")
	file := filepath.Join(t.TempDir(), "banking.wasm")
	p.must(os.WriteFile(file, []byte("good"), 0o600))
	p.must(chromedp.Do(p.ctx, chromedp.SetUploadFiles("#module", []string{file})))
	p.write("#reason", "fees")
	p.press("dialog button", "Upload")
	p.says("dialog", "Done.")
	if a, n := h.latest(); n != 1 || a.Verb != "deploy" || a.Guest != "banking" || a.Digest != oldModule {
		t.Errorf("asked was %+v, %d", a, n)
	}
	// The next dialogue is opened before the browser tells that this one is closed.
	p.eval(`document.querySelector('dialog button').click(); [...document.querySelectorAll('main button')].find((e) => e.innerText.includes('Roll back')).click()`)
	p.write("#reason", "amounts are wrong")
	p.press("dialog button", "Roll back")
	p.says("dialog", "Done.")
	if a, n := h.latest(); n != 2 || a.Verb != "swap" || a.Guest != "banking" {
		t.Errorf("asked was %+v, %d", a, n)
	}
}

// TestHostThatHasNotBegunHasNoFigures: why it is not ready is all that it can say.
func TestHostThatHasNotBegunHasNoFigures(t *testing.T) {
	h := newFakeHost(0)
	h.loading = true
	p := open(t, h, "", "", "", usual)
	p.says(".verdict", "Not ready loading_guests")
	lines(t, "cohort", p.facts("[aria-labelledby=cohort]"), "this host: loading_guests", "topic: certification", "Ichor: v0.9.0")
	p.until(`!document.querySelector('.stage') && !document.querySelector('.counts')`)
}

// TestTakeOverIsNoRate: what a standby does not know counts from nowhere, so that no rate is taken across its end.
func TestTakeOverIsNoRate(t *testing.T) {
	h := newFakeHost(0)
	h.standby, h.took = true, 30
	p := open(t, h, "", "", "", usual)
	p.says(".stage", "for when it takes the cohort over")
	p.eval(`{ window.highest = 0; setInterval(() => { for (const e of document.querySelectorAll('.stage .rate')) window.highest = Math.max(window.highest, Number(e.innerText.replace(/[^\d.]/g, ''))); }, 20); }`)
	h.with(func() { h.standby = false })
	p.drawn(`snapshot && number(snapshot.rate) > 0 && number(lanes.rate) > 0`)
	// What is drawn begins with the take-over; else it is of two minutes.
	p.until(`document.querySelectorAll('.spark polyline').length === 5 && [...document.querySelectorAll('.spark polyline')].every((e) => e.points.length >= 30 && e.points.length < 120)`)
	if high := p.text(`String(window.highest > 100_000)`); high != "false" {
		t.Errorf("a rate of %s", p.text(`String(window.highest)`))
	}
}

func TestHistorySaysWhichModuleConvertsWhichVersions(t *testing.T) {
	p := open(t, newFakeHost(0), "", "", "#/guests", usual)
	lines(t, "ranges", p.rows("History of banking"),
		"1 to 4770 | 0bb052a75af8 | … | the file | it lay there when the host began",
		"2 of 812 to 3007 | 40ace93a7224 | – | ichor | held, and converted by this module",
		"from 4771 | 40ace93a7224 | … | carol | fees in cents")
	lines(t, "events", p.rows("What became of the modules"),
		"… | banking | 40ace93a7224 | active it converts | 4771 | ichor | ",
		"… | banking | 40ace93a7224 | armed it is to convert |  | carol | fees in cents",
		"… | banking | 0bb052a75af8 | active it converts | 1 | ichor | the host begins with it")
	lines(t, "guest", p.facts("[aria-labelledby=guest-banking]"), "converts now: 40ace93a7224", "version: 1.1.0", "contract: 1.0", "from version: 4771")
}

// TestShadowShowsWhatDiffers: the counts, and of a version what both modules make of it.
func TestShadowShowsWhatDiffers(t *testing.T) {
	h := newFakeHost(0)
	h.shadow = true
	p := open(t, h, "", "", "#/guests", usual)
	p.says("h3", "In shadow: 0bb052a75af8, beside 40ace93a7224")
	p.until(`document.querySelector('meter').value === 6604 && document.querySelector('meter').max === 10000`)
	p.says("main p", "6,604 of 10,000 versions compared, 3 missed: it was busy")
	p.says("main p", "6,587 same, 10 differ, 3 it rejects, 4 the other rejects")
	p.says("main p", "What differs is sha256:96e51f3d788812f6974fcb159cf54f09ebc0dd8f1e399fac597557b8cb9d2660")
	p.says("main .problem", "The file 0bb052a75af8 is not taken: its vectors fail: GREET")
	p.says("main p", "A module beside the file, 0bb052a75af8, would not be taken: no trusted key signed it")
	p.press("summary", `Version 5: statement 1 has $1 = "1", and the old one "1.0"`)
	side := func(n int) string {
		return p.text(fmt.Sprintf(`(() => { const e = document.querySelectorAll('details[open] .two > div')[%d]; return [...e.querySelectorAll('h4, .outcome > p, pre, li')].map((x) => x.innerText.replace(/\s+/g, ' ').trim()).join('\n'); })()`, n))
	}
	p.until(`document.querySelectorAll('details[open] .two > div').length === 2`)
	const sql = "update bank_accounts set amount = amount - $1 where number = $2"
	lines(t, "the old outcome", side(0), "The one beside", "…converted 1 statement", sql, "$1 1.0 numeric", "$2 1 text")
	lines(t, "the new outcome", side(1), "The new one", "…converted 1 statement", sql, "$1 1 numeric", "$2 1 text")
}

func TestHeldVersionShowsAllThatIsKnownOfIt(t *testing.T) {
	p := open(t, newFakeHost(3), "", "", "#/quarantine/1000020", usual)
	p.says(".one h2", "Version 1000020")
	lines(t, "facts", p.facts(".one"),
		"waits for it: at least 14 versions over 9 keys; 11 for nothing else that is stuck",
		"xid: f100642e-5f9f-4e53-89a2-000000000001", "cohort: bank", "agent: agent-1", "guest: 40ace93a7224", "safepoint: 999980", "held: 2 times, by any host",
		"first: …", "latest: …", "hash: 0000000a0001", "writes: account:0039 account:0029", "reads: currency:EUR")
	p.press(".one dd a", "f100642e-5f9f-4e53-89a2-000000000001")
	p.until(`location.hash === '#/search/f100642e-5f9f-4e53-89a2-000000000001'`)
	p.visit("#/quarantine")
	lines(t, "reasons", p.rows("Reasons for which versions are held"),
		"sql the database refused a statement | 23505 | 2 | Show", "guest_reject the guest says that the statemap is wrong | 17 | 1 | Show")
	p.press("td button", "Show")
	p.until(`document.querySelectorAll('[role=option]').length === 2`)
	p.press("main button", "All reasons")
	p.until(`document.querySelectorAll('[role=option]').length === 3`)
}

// TestRetryOfOneIsOfThatOne, to the end: what the host is asked, and what becomes of it in the page.
func TestRetryOfOneIsOfThatOne(t *testing.T) {
	h := newFakeHost(3)
	p := open(t, h, tokenFile, operating, "#/quarantine/1000020", usual)
	p.press(".one button", "Retry")
	p.says("dialog h2", "Retry version 1000020")
	p.says("dialog", "What it does:")
	p.write("#reason", "the row is gone")
	p.press("dialog button", "Retry")
	p.says("dialog", "Done.")
	if a, n := h.latest(); n != 1 || a.Verb != "retry" || a.Version != 1_000_020 || a.Who != "ann" || a.Reason != "the row is gone" {
		t.Errorf("asked was %+v, %d", a, n)
	}
	p.keys(kb.Escape)
	p.until(`document.querySelectorAll('[role=option]').length === 2`)
}

// TestHandoverIsAskedFor, from the page of the owner and of one that stands by; refused where that would leave nobody.
func TestHandoverIsAskedFor(t *testing.T) {
	for _, standby := range []bool{false, true} {
		h := newFakeHost(0)
		h.standby, h.alone = standby, true
		p := open(t, h, tokenFile, operating, "", usual)
		p.press("main button", "Hand over")
		p.says("dialog", "gives it to one that stands by")
		p.write("#reason", "the node is drained")
		p.press("dialog button", "Hand over")
		p.says("dialog [role=alert]", "no other host stands by")
		h.with(func() { h.alone = false })
		p.press("dialog button", "Hand over")
		p.says("dialog", "Done.")
		if a, n := h.latest(); n != 1 || a.Verb != "handover" || a.Version != 0 || a.Who != "ann" || a.Reason != "the node is drained" {
			t.Errorf("standby %v: asked was %+v, %d", standby, a, n)
		}
		p.press("dialog a", "All requests")
		p.says("td", "handover")
	}
}
