package page

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// axe returns the script of axe-core, which .ci/page/package.json pins.
func axe(t *testing.T) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "../node", "page")
	command.Stderr = os.Stderr
	modules, err := command.Output()
	if err != nil {
		t.Fatalf("axe-core comes by npm: %v", err)
	}
	script, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(modules)), "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// asAxeSays asks axe for what is wrong, a line for each thing.
const asAxeSays = `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
	violations.flatMap((v) => v.nodes.map((n) => v.id + ': ' + v.help + ': ' + n.html.slice(0, 200) + ' ' + (n.any[0]?.message || ''))).join('\n'))`

// TestEveryPlaceIsForEverybody: axe finds nothing in any place, light and dark, wide and narrow, nothing is wider
// than the window, and no table is wider than its place.
func TestEveryPlaceIsForEverybody(t *testing.T) {
	script := axe(t)
	for _, at := range places {
		t.Run(at.name, func(t *testing.T) {
			p := visited(t, at)
			p.eval(script + ";undefined")
			for _, v := range views {
				p.look(v)
				p.until(fmt.Sprintf("innerWidth === %d", v.width))
				wrong, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](asAxeSays, chromedp.EvalAwaitPromise))
				p.must(err)
				if wrong != "" {
					t.Errorf("%d %s:\n%s", v.width, v.scheme, wrong)
				}
				if wide := p.text(`String(document.documentElement.scrollWidth - innerWidth)`); wide != "0" {
					t.Errorf("%d %s: it is %s px wider than the window", v.width, v.scheme, wide)
				}
				if cut := p.text(`[...document.querySelectorAll('.wide')].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.ariaLabel).join(', ')`); cut != "" {
					t.Errorf("%d %s: one must scroll sideways to read %s", v.width, v.scheme, cut)
				}
			}
		})
	}
}
