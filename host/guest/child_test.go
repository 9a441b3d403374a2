package guest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
)

// asParent makes the test binary load a module that does not come up, so that it can be killed.
const asParent = "load-without-end"

func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == guest.ChildVerb:
		os.Exit(guest.BeChild())
	case len(os.Args) == 3 && os.Args[1] == asParent:
		module, err := os.ReadFile("testdata/loops_in_describe.wasm")
		if err == nil {
			_, err = guest.Load(context.Background(), "hostile", module, endlessly(os.Args[2]), slog.New(slog.DiscardHandler), guest.NewMetrics(prometheus.NewRegistry()))
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// endlessly lets a guest loop for longer than anybody waits.
func endlessly(cache string) guest.Options {
	options := guest.Options{Instances: 1, FuelStart: 1 << 40, CacheDir: cache, Child: guest.OwnChild()}
	options.Child.Time = time.Hour
	return options
}

// TestAChildSaysWhatThisProcessSays loads good and bad modules in both ways.
func TestAChildSaysWhatThisProcessSays(t *testing.T) {
	broken := bytes.Replace(fixture(t, "has_a_vector"), []byte(`["fixture"]`), []byte(`["fixtura"]`), 1)
	for name, module := range map[string][]byte{
		"good": fixture(t, "has_a_vector"), "imports a socket": fixture(t, "imports_a_socket"), "no module": []byte("#!/bin/sh\n"),
		"describes rubbish": fixture(t, "describes_rubbish"), "declares a commit": fixture(t, "declares_a_commit"), "fails its vector": broken,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := guest.Options{Instances: 1, CacheDir: filepath.Join(t.TempDir(), "cache")}
			_, want := load(t, "hostile", module, options)
			options.CacheDir += "-of-the-child"
			options.Child = guest.OwnChild()
			_, got := load(t, "hostile", module, options)
			var a, b *guest.LoadError
			if fmt.Sprint(got) != fmt.Sprint(want) || errors.As(got, &a) != errors.As(want, &b) || a != nil && (a.Step != b.Step || a.Rule != b.Rule || a.Hint != b.Hint) {
				t.Errorf("in a process of its own: %v\nin this one: %v", got, want)
			}
		})
	}
}

// TestABombDiesAlone lets modules that are well need more than there is for them.
func TestABombDiesAlone(t *testing.T) {
	for name, c := range map[string]struct {
		module []byte
		limit  func(*guest.Options)
		says   string
	}{
		"memory": {guesttest.Banking(t), func(o *guest.Options) { o.Child.Memory, o.MemoryPages = 16<<20, 64 }, "memory"},
		"time":   {fixture(t, "loops_in_describe"), func(o *guest.Options) { o.Child.Time = time.Second }, "it takes more than 1s of processor time to be checked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := endlessly(filepath.Join(t.TempDir(), "cache"))
			c.limit(&options)
			_, err := load(t, "hostile", c.module, options)
			checkLoadError(t, err, guest.StepCheck, c.says)
		})
	}
}

// TestALoadEndsAtOnce ends the context while a child is at work.
func TestALoadEndsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() {
		_, err := guest.Load(ctx, "hostile", fixture(t, "loops_in_describe"), endlessly(filepath.Join(t.TempDir(), "cache")), slog.New(slog.DiscardHandler), guest.NewMetrics(prometheus.NewRegistry()))
		ended <- err
	}()
	awaitChild(t, os.Getpid())
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
}

// TestAChildEndsWithItsParent kills the parent.
func TestAChildEndsWithItsParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self, asParent, filepath.Join(t.TempDir(), "cache"))
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	child := awaitChild(t, parent.Process.Pid)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	for deadline := time.Now().Add(30 * time.Second); syscall.Kill(child, 0) == nil && !isZombie(child); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d lives on without its parent", child)
		}
	}
}

// awaitChild waits until the process has a child, and returns it.
func awaitChild(t *testing.T, parent int) int {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
		if err != nil || len(files) == 0 {
			t.Skip("the children of a process are known on Linux alone")
		}
		for _, file := range files {
			text, _ := os.ReadFile(file) // a thread may have ended
			for _, word := range strings.Fields(string(text)) {
				if child, err := strconv.Atoi(word); err == nil && !isZombie(child) {
					return child
				}
			}
		}
	}
	t.Fatalf("process %d starts no child", parent)
	return 0
}

func isZombie(process int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	_, state, _ := strings.Cut(string(text), ") ")
	return err == nil && strings.HasPrefix(state, "Z")
}

// TestWithoutAProcessOfItsOwn loads where none can be started, which is said.
func TestWithoutAProcessOfItsOwn(t *testing.T) {
	var said bytes.Buffer
	options := guest.Options{Instances: 1, CacheDir: filepath.Join(t.TempDir(), "cache"), Child: guest.Child{Command: []string{"/nowhere/at/all"}}}
	g, err := guest.Load(t.Context(), "x", fixture(t, "has_a_vector"), options, slog.New(slog.NewTextHandler(&said, nil)), guest.NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if !strings.Contains(said.String(), "checked in the host's own process") {
		t.Errorf("said is %q", said.String())
	}
}
