package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ichor-replicator/ichor/host/status"
)

// terminal opens a pseudo-terminal of a size: the program's side, and a function that returns what was shown on it
// once that side is closed.
func terminal(t *testing.T, columns uint16) (*os.File, func() string) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(ours.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(theirs.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	shown := make(chan string, 1)
	go func() {
		var b bytes.Buffer
		_, _ = io.Copy(&b, ours) // it ends with an error when the other side is closed
		shown <- b.String()
	}()
	t.Cleanup(func() { ours.Close() })
	return theirs, func() string { theirs.Close(); return <-shown }
}

// toldReason is a reason as hosts say it.
const toldReason = string(status.PoisonHeld)

const toldStatus = `{"ichor":"v1","phase":"running","readiness":{"ready":%t,"reason":%q},"topic":"certification","snapshot":41,"resume":42,"next":90,"log_end":110,
	"suffix":{"length":3},"queue":{"length":5},"undecided":0,"in_flight":2,"held":%d,"bytes":1048576,"paused":false,
	"waiting_for":"` + toldReason + `","blocker":42,"guests":[{"guest":"bank","digest":"0123456789abcdef","version":"2","contract":"1.0","from":7}],"counts":{}}`

// told is a host that says of itself what a test wants.
func told(t *testing.T, ready bool, reason string, versions int) string {
	t.Helper()
	return saying(t, fmt.Sprintf(toldStatus, ready, reason, versions))
}

// saying is a host with a status.
func saying(t *testing.T, is string) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, is) })
	mux.HandleFunc("GET /v1/samples", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"samples":[{"installed":10,"p99_seconds":0.002},{"installed":30,"p99_seconds":0.004,"waited_seconds":3.2}]}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// shows runs a verb on a terminal, or on a pipe, and returns its exit code and what it shows.
func shows(t *testing.T, onTerminal bool, environment []string, args ...string) (int, string) {
	t.Helper()
	command := exec.Command(os.Args[0], args...)
	command.Env = append(append(os.Environ(), asIchor+"=1", "TERM=xterm", "NO_COLOR="), environment...)
	var shown func() string
	if onTerminal {
		file, all := terminal(t, 100)
		command.Stdout, command.Stderr, shown = file, file, all
	} else {
		var b bytes.Buffer
		command.Stdout, command.Stderr, shown = &b, &b, b.String
	}
	_ = command.Run() // the exit code tells
	return command.ProcessState.ExitCode(), shown()
}

// TestTopIsAPictureOnATerminalAndLinesElsewhere.
func TestTopIsAPictureOnATerminalAndLinesElsewhere(t *testing.T) {
	address := told(t, true, "", 0)
	top := []string{"top", "--address", address, "--every", "100ms", "--count", "2"}
	code, text := shows(t, true, nil, top...)
	if code != exitOK {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"\x1b[?1049h\x1b[?25l", "\x1b[H", "\x1b[32mready\x1b[0m", "read to 90 of 110, 20 behind, about 1s at this rate", "3 for a decision, 5 decided, of them 2 in flight and 0 held",
		"41, resume point 42, waits for version 42: " + toldReason + ", 3s", "1.0 MiB", "20/s  ▃█", "p99        4ms       ▄█", "bank 2 (0123456789ab) from 7", "\x1b[?25h\x1b[?1049l",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%q", want, text)
		}
	}
	if code, text := shows(t, false, nil, top...); code != exitOK || strings.Count(text, "running   ready") != 2 || strings.Contains(text, "\x1b") ||
		!strings.Contains(text, "snapshot 41  lag 20  20/s  p99 4ms  suffix 3  queue 5  in flight 2  held 0\n") {
		t.Errorf("elsewhere %d %q", code, text)
	}
	if code, text := shows(t, true, nil, "top", "--address", "127.0.0.1:1", "--count", "1"); code != exitEnvironment || !strings.Contains(text, "no host answers") {
		t.Errorf("without a host %d %q", code, text)
	}
}

// TestTopWaitsForAHostAndSaysSo: it goes on asking, shows where, and says it once more when it is ended before any host
// answered. What no waiting mends ends it.
func TestTopWaitsForAHostAndSaysSo(t *testing.T) {
	for _, onTerminal := range []bool{true, false} {
		command := exec.Command(os.Args[0], "top", "--address", "127.0.0.1:1", "--every", "100ms")
		command.Env = append(os.Environ(), asIchor+"=1", "TERM=xterm", "NO_COLOR=1")
		var b bytes.Buffer
		shown := b.String
		if command.Stdout, command.Stderr = &b, &b; onTerminal {
			file, all := terminal(t, 200)
			command.Stdout, command.Stderr, shown = file, file, all
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := command.Process.Signal(os.Interrupt); err != nil {
			t.Error("it ended by itself")
		}
		_ = command.Wait() // the exit code tells
		text := shown()
		const says = "no host answers at 127.0.0.1:1: "
		if code := command.ProcessState.ExitCode(); code != exitEnvironment || strings.Count(text, says) < 3 || !strings.Contains(text, "ichor: "+says) {
			t.Errorf("on a terminal %t: exit code %d, %q", onTerminal, code, text)
		}
		if again := strings.Contains(text, "It is asked again every 100ms; Ctrl-C ends this"); again != onTerminal {
			t.Errorf("on a terminal %t: %q", onTerminal, text)
		}
		if code, text := shows(t, onTerminal, nil, "top", "-c", "/nowhere/ichor.yaml"); code != exitSettings || !strings.Contains(text, "ichor: settings: open /nowhere/ichor.yaml") {
			t.Errorf("on a terminal %t, with settings that are not there: exit code %d, %q", onTerminal, code, text)
		}
	}
}

// TestAHostThatInstallsNothingShowsNothingOfOne: a standby's zeros are no snapshot and no memory, and it says what it
// has read; one that has not begun has neither.
func TestAHostThatInstallsNothingShowsNothingOfOne(t *testing.T) {
	text := func(c status.Condition) string {
		verdict := c.Judge(time.Minute)
		s := status.Of(c, verdict, "certification")
		s.Version, s.BytesMost, s.Guests = "v1", 256<<20, []status.Guest{}
		is, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(is)
	}
	owner := status.Condition{Phase: status.PhaseStandby, Detail: "bank-1 owns the cohort, with epoch 7", Log: status.Log{HighWatermark: 110}, Tail: status.Tail{Next: 90, Bytes: 3 << 20, Full: true}}
	address := saying(t, text(owner))
	const holds = "holds      3.0 MiB of it, for when it takes the cohort over; it reads on when the owner has passed some of that\n"
	top := []string{"top", "--address", address, "--count", "1"}
	for _, c := range []struct {
		terminal bool
		args     []string
		want     string
	}{
		{true, top, "standby  ready (bank-1 owns the cohort, with epoch 7)\n\nlog        read to 90 of 110, 20 behind\n" + holds + "\n\nCtrl-C ends this\n"},
		{false, top, "standby   standby                  read to 90 of 110  holds 3.0 MiB  bank-1 owns the cohort, with epoch 7\n"},
		{false, []string{"status", "--address", address}, "standby, ready (bank-1 owns the cohort, with epoch 7)\nlog        read to 90 of 110 on certification\n" + holds},
		{true, []string{"top", "--address", saying(t, text(status.Condition{Phase: status.PhaseUnowned, Detail: "bank-1 gave the cohort away"})), "--count", "1"}, "not ready: no_owner (bank-1 gave the cohort away)\n\n\n\nCtrl-C ends this\n"},
		{false, []string{"top", "--address", saying(t, text(status.Condition{Phase: status.PhaseStarting})), "--count", "1"}, "starting  starting\n"},
	} {
		code, shown := shows(t, c.terminal, []string{"NO_COLOR=1"}, c.args...)
		if shown = strings.NewReplacer("\x1b[K", "", "\r", "").Replace(shown); code != exitOK || !strings.Contains(shown, c.want) {
			t.Errorf("%v: %d %q, want %q", c.args, code, shown, c.want)
		}
		for _, no := range []string{"snapshot", "resume point", "memory", "p99", "in flight"} {
			if strings.Contains(shown, no) {
				t.Errorf("%v says %q in %q", c.args, no, shown)
			}
		}
	}
}

// TestColoursAreForTerminalsAlone, and for none where NO_COLOR is set.
func TestColoursAreForTerminalsAlone(t *testing.T) {
	address := told(t, false, toldReason, 2)
	for _, c := range []struct {
		terminal    bool
		environment []string
		colours     bool
	}{{true, nil, true}, {true, []string{"NO_COLOR=1"}, false}, {true, []string{"TERM=dumb"}, false}, {false, nil, false}} {
		code, text := shows(t, c.terminal, c.environment, "status", "--address", address)
		if code != exitNotReady || !strings.Contains(text, "not ready: "+toldReason) || !strings.Contains(text, "2 held") {
			t.Errorf("%+v: %d %q", c, code, text)
		}
		if colours := strings.Contains(text, "\x1b[1;31mnot ready: "+toldReason+"\x1b[0m") && strings.Contains(text, "\x1b[1;31m2 held\x1b[0m"); colours != c.colours {
			t.Errorf("%+v: %q", c, text)
		}
	}
}
