package page

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// watching has the page keep what is changed in the list of held versions: elements and attributes, and no texts, for
// ages move by themselves. touched says of how many rows something changed since it was last asked, and how much in all.
const watching = `{
	const list = document.querySelector('[role=listbox]');
	let kept = [];
	const observer = new MutationObserver((records) => { kept = kept.concat(records); });
	observer.observe(list, { subtree: true, childList: true, attributes: true });
	window.touched = () => {
		const records = kept.concat(observer.takeRecords());
		kept = [];
		const changed = records.flatMap((r) => (r.type === 'attributes' ? [r.target] : [...r.addedNodes, ...r.removedNodes]));
		return JSON.stringify({ rows: new Set(changed.map((e) => e.closest?.('[role=option]')).filter(Boolean)).size, changes: records.length });
	};
}`

// touched is what was changed of the list.
type touched struct{ Rows, Changes int }

// TestWorkIsOfTheRowsThatAreSeen: a key or a scroll changes as much among a thousand held versions as among ten. Work is
// counted, and no time.
func TestWorkIsOfTheRowsThatAreSeen(t *testing.T) {
	const drawnMost = 40
	steps := map[int][2]touched{} // by how many are held: what a step down and a step up change
	for _, held := range []int{10, 1000} {
		p := open(t, newFakeHost(held), "", "", "#/quarantine", usual)
		p.says("[role=option]", "1000007")
		p.eval(`document.querySelector('[role=listbox]').focus()`)
		p.until(`document.querySelectorAll('[role=option]').length === Math.min(Number(document.querySelector('[role=option]').getAttribute('aria-setsize')), Math.ceil(document.querySelector('[role=listbox]').clientHeight / document.querySelector('[role=option]').offsetHeight) + 5)`) // it has measured itself
		p.eval(watching)
		version := func(i int) int { return 1_000_007 + 13*i }
		// changed waits until something is so, and returns what changed on the way.
		changed := func(what, until string, rows int) (is touched) {
			t.Helper()
			p.until(until)
			p.must(json.Unmarshal([]byte(p.text(`window.touched()`)), &is))
			if is.Rows == 0 || is.Rows > rows {
				t.Errorf("%d held, %s: %d rows are touched, want some, and %d at most", held, what, is.Rows, rows)
			}
			if drawn := p.text(fmt.Sprintf(`String(document.querySelectorAll('[role=option]').length < %d)`, drawnMost)); drawn != "true" {
				t.Errorf("%d held, %s: %d rows or more are drawn", held, what, drawnMost)
			}
			return is
		}
		active := func(i int) string {
			return fmt.Sprintf(`document.querySelector('[role=option].active b')?.innerText === '%d'`, version(i))
		}
		p.keys(kb.ArrowDown)
		down := changed("down", active(1), 2)
		p.keys(kb.ArrowUp)
		steps[held] = [2]touched{down, changed("up", active(0), 2)}
		p.keys(kb.End)
		changed("end", active(held-1), 2*drawnMost)
		p.keys(kb.Home)
		changed("home", active(0), 2*drawnMost)
		if held > drawnMost {
			p.eval(`{ const list = document.querySelector('[role=listbox]'); list.scrollTop = list.scrollHeight / 2; }`)
			changed("scroll", fmt.Sprintf(`[...document.querySelectorAll('[role=option] b')].some((e) => e.innerText === '%d')`, version(held/2)), 2*drawnMost)
		}
	}
	if steps[10] != steps[1000] {
		t.Errorf("a step down and one up change %+v among ten, and %+v among a thousand", steps[10], steps[1000])
	}
}
