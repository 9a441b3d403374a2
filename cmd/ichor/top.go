package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/ichor-replicator/ichor/host/admin"
	"github.com/ichor-replicator/ichor/host/status"
)

type topCommand struct {
	withFile
	Address string        `help:"Where the host listens; else http.listen of the settings." placeholder:"HOST:PORT"`
	Every   time.Duration `help:"How often the host is asked." default:"1s"`
	Count   int           `help:"How often in all; 0 is until Ctrl-C." placeholder:"N"`
}

// Run implements the verb. A terminal shows one picture that changes, anything else one line each time. A host that is not
// there is asked again: it may be about to start. One that never answered is why the verb ends with an error, when Ctrl-C
// ends it; settings that are wrong, and a token that is not taken, end it at once.
func (c *topCommand) Run(ctx context.Context) error {
	if c.Every < 100*time.Millisecond {
		return &failure{exitSettings, fmt.Errorf("--every is %v: at least 100ms", c.Every)}
	}
	screen := newScreen()
	if screen.terminal {
		fmt.Fprint(&stdout, "\x1b[?1049h\x1b[?25l") // another screen, without a cursor
		defer fmt.Fprint(&stdout, "\x1b[?25h\x1b[?1049l")
	}
	every := time.NewTicker(c.Every)
	defer every.Stop()
	var never error // why no host was seen yet
	for n, seen := 1, false; ; n++ {
		err := c.show(ctx, &screen)
		if ctx.Err() != nil { // Ctrl-C is how one ends it
			return never
		}
		if wrong, ok := errors.AsType[*failure](err); ok && wrong.code == exitSettings || stdout.err != nil || c.Count > 0 && n == c.Count {
			return err
		}
		if seen, never = seen || err == nil, err; seen {
			never = nil
		}
		select {
		case <-ctx.Done():
			return never
		case <-every.C:
		}
	}
}

// show asks the host once and shows what it says. A host that does not answer is shown so.
func (c *topCommand) show(ctx context.Context, screen *screen) error {
	var s status.Status
	var samples admin.Samples
	err := c.ask(ctx, "/v1/status", &s)
	if err == nil {
		err = c.ask(ctx, "/v1/samples", &samples)
	}
	cleaned(&s)
	var text string
	switch now := time.Now(); {
	case err != nil:
		text = fmt.Sprintf("%s  %s\n", now.Format(time.TimeOnly), screen.bad(shownError(err)))
		if screen.terminal {
			text += fmt.Sprintf("\nIt is asked again every %s; Ctrl-C ends this\n", c.Every)
		}
	case screen.terminal:
		text = picture(screen, &s, samples.Samples)
	default:
		text = now.Format(time.TimeOnly) + "  " + line(&s, samples.Samples) + "\n"
	}
	return cmp.Or(screen.draw(text), err)
}

func (c *topCommand) ask(ctx context.Context, path string, into any) error {
	text, err := ask(ctx, c.Address, c.Settings, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the answer is none of a host: %w", err)
	}
	return nil
}

// latest returns what was measured last; zero before anything was.
func latest(samples []status.Sample) status.Sample {
	if len(samples) == 0 {
		return status.Sample{}
	}
	return samples[len(samples)-1]
}

// rate is versions a second of late: of the latest samples, so that it does not jump.
func rate(samples []status.Sample) float64 {
	const seconds = 5
	samples = samples[max(0, len(samples)-seconds):]
	var installed uint64
	for i := range samples {
		installed += samples[i].Installed
	}
	return float64(installed) / float64(max(len(samples), 1))
}

// line says it in one line.
func line(s *status.Status, samples []status.Sample) string {
	switch {
	case s.Phase == status.PhaseStandby:
		return fmt.Sprintf("%-9s %-24s read to %d of %d  holds %s  %s", s.Phase, readyWord(s), s.Next, s.LogEnd, binary(held(s.Standby)), s.Readiness.Detail)
	case !installs(s):
		return strings.TrimSpace(fmt.Sprintf("%-9s %-24s %s", s.Phase, readyWord(s), s.Readiness.Detail))
	}
	now := latest(samples)
	return fmt.Sprintf("%-9s %-24s snapshot %d  lag %d  %.0f/s  p99 %s  suffix %d  queue %d  in flight %d  held %d", s.Phase, readyWord(s),
		s.Snapshot, behind(s), rate(samples), seconds(now.P99), s.Suffix.Length, s.Queue.Length, s.InFlight, s.Held)
}

func readyWord(s *status.Status) string {
	if s.Readiness.Ready && s.Readiness.Reason == "" {
		return "ready"
	}
	return string(s.Readiness.Reason)
}

// behind is how many positions of the log are not read yet.
func behind(s *status.Status) int64 { return max(int64(s.LogEnd)-int64(s.Next), 0) }

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(100 * time.Microsecond).String()
}

// picture is what a terminal shows.
func picture(screen *screen, s *status.Status, samples []status.Sample) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "ichor %s  %s  %s  %s\n", s.Version, s.Topic, s.Phase, screen.ready(&s.Readiness))
	if s.Readiness.Degraded != "" {
		row("", "%s", screen.warn(s.Readiness.Degraded))
	}
	b.WriteByte('\n')
	switch {
	case s.Phase == status.PhaseStandby:
		row("log", "read to %d of %d, %s", s.Next, s.LogEnd, timeLeft(behind(s), 0))
		row("holds", "%s", holds(s.Standby))
	case installs(s):
		measures(screen, s, samples, row)
	}
	b.WriteByte('\n')
	loaded(screen, s, row)
	b.WriteString("\nCtrl-C ends this\n")
	return b.String()
}

// measures are of a host that installs.
func measures(screen *screen, s *status.Status, samples []status.Sample, row func(name, format string, args ...any)) {
	now, perSecond := latest(samples), rate(samples)
	row("log", "read to %d of %d, %s", s.Next, s.LogEnd, timeLeft(behind(s), perSecond))
	row("waiting", "%d for a decision, %d decided, of them %d in flight and %s", s.Suffix.Length+s.Undecided, s.Queue.Length-s.Undecided, s.InFlight, screen.some(s.Held, "held"))
	row("snapshot", "%d, resume point %d%s", s.Snapshot, s.Resume, waitsFor(s, now.Waited))
	row("memory", "%s of statemaps and statements", binary(s.Bytes))
	row("versions", "%.0f/s  %s", perSecond, spark(samples, screen.width-30, func(s *status.Sample) float64 { return float64(s.Installed) }))
	row("p99", "%-9s %s", seconds(now.P99), spark(samples, screen.width-30, func(s *status.Sample) float64 { return s.P99 }))
	if s.Pause != nil {
		row("paused", "%s", screen.warn(fmt.Sprintf("by %s since %s, as request %d: %s", s.Pause.Who, time.Unix(0, s.Pause.Since).Format(time.TimeOnly), s.Pause.Request, s.Pause.Why)))
	}
}

// loaded are the guests.
func loaded(screen *screen, s *status.Status, row func(name, format string, args ...any)) {
	for i := range s.Guests {
		g := &s.Guests[i]
		row("guest", "%s %s (%.12s) from %d", g.Guest, g.Version, g.Digest, g.From)
		if g.Refused != nil {
			row("", "%s", screen.warn("not taken: "+refusal(g.Refused)))
		}
		if text := inShadow(g); text != "" {
			row("", "%s", text)
		}
	}
}

// timeLeft says how far behind the log's end reading is, and when it is there at this rate.
func timeLeft(behind int64, perSecond float64) string {
	switch {
	case behind == 0:
		return "its end"
	case perSecond < 1:
		return fmt.Sprintf("%d behind", behind)
	}
	return fmt.Sprintf("%d behind, about %s at this rate", behind, time.Duration(float64(behind)/perSecond*float64(time.Second)).Round(time.Second))
}

// waitsFor says for which version the snapshot waits, and how long.
func waitsFor(s *status.Status, waited float64) string {
	switch {
	case s.Waiting == "":
		return ""
	case s.Blocker == 0:
		return ", waits: " + string(s.Waiting)
	}
	return fmt.Sprintf(", waits for version %d: %s, %s", s.Blocker, s.Waiting, time.Duration(waited*float64(time.Second)).Round(time.Second))
}

// spark draws the latest values as bars, the highest as a whole one.
func spark(samples []status.Sample, width int, of func(*status.Sample) float64) string {
	const bars = "▁▂▃▄▅▆▇█"
	samples = samples[max(0, len(samples)-max(width, 0)):]
	highest := 0.0
	for i := range samples {
		highest = max(highest, of(&samples[i]))
	}
	var b strings.Builder
	for i := range samples {
		bar := 0
		if highest > 0 {
			bar = int(of(&samples[i]) / highest * 7)
		}
		b.WriteRune([]rune(bars)[bar])
	}
	return b.String()
}

// screen is where a verb writes for people. Only a terminal has colours, and none where NO_COLOR is set.
type screen struct {
	out      io.Writer
	terminal bool
	colours  bool
	width    int
}

// newScreen is standard output, which may be a terminal.
func newScreen() screen {
	s := screen{out: &stdout, width: 80}
	file := int(os.Stdout.Fd())
	s.terminal = term.IsTerminal(file) && os.Getenv("TERM") != "dumb"
	s.colours = s.terminal && os.Getenv("NO_COLOR") == ""
	if width, _, err := term.GetSize(file); err == nil && width > 0 {
		s.width = width
	}
	return s
}

// draw shows a text, on a terminal in the place of the one before. An error says that it could not.
func (s *screen) draw(text string) error {
	if s.terminal {
		text = "\x1b[H" + strings.ReplaceAll(text, "\n", "\x1b[K\n") + "\x1b[J"
	}
	_, err := fmt.Fprint(s.out, text)
	return err
}

func (s *screen) colour(code, text string) string {
	if !s.colours || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *screen) good(text string) string { return s.colour("32", text) }
func (s *screen) warn(text string) string { return s.colour("33", text) }
func (s *screen) bad(text string) string  { return s.colour("1;31", text) }

// some counts things of which there should be none.
func (s *screen) some(n int, what string) string {
	text := fmt.Sprintf("%d %s", n, what)
	if n > 0 {
		return s.bad(text)
	}
	return text
}

// ready says whether a host is.
func (s *screen) ready(r *status.Readiness) string {
	text := "ready"
	paint := s.good
	if !r.Ready {
		text, paint = "not ready: "+string(r.Reason), s.bad
	}
	text = paint(text)
	if r.Detail != "" {
		text += " (" + r.Detail + ")"
	}
	return text
}
