package page

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestShots takes pictures for people to look at: go test -run Shots -shots DIRECTORY.
func TestShots(t *testing.T) {
	if *shots == "" {
		return // nobody asked for them
	}
	if err := os.MkdirAll(*shots, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, at := range places {
		t.Run(at.name, func(t *testing.T) {
			p := visited(t, at)
			time.Sleep(2500 * time.Millisecond) // some answers, for rates
			for _, v := range views {
				p.look(v)
				time.Sleep(100 * time.Millisecond)
				picture, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
				p.must(err)
				p.must(os.WriteFile(filepath.Join(*shots, fmt.Sprintf("%s-%d-%s.png", at.name, v.width, v.scheme)), picture, 0o644))
			}
		})
	}
}
