package kafkatest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asParent makes the test binary start a child, name it and wait to be killed.
const asParent = "KAFKATEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(asParent) != "" {
		parent()
	}
	goleak.VerifyTestMain(m)
}

func parent() {
	child := exec.Command("sleep", "600")
	child.ExtraFiles = []*os.File{os.NewFile(3, "held")}
	p, err := startProcess(child)
	if err != nil {
		panic(err)
	}
	fmt.Println(p.cmd.Process.Pid)
	select {}
}

func start(t *testing.T, o EmbeddedOptions) *Broker {
	t.Helper()
	b, err := StartEmbedded(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestPlayRefusesWhatDoesNotFit(t *testing.T) {
	b := start(t, EmbeddedOptions{})
	if err := b.CreateTopic(t.Context(), "t", 1, nil); err != nil {
		t.Fatal(err)
	}
	log := []Recorded{{Offset: 2}, {Offset: 3}}
	if err := b.Play(t.Context(), "t", log); err != nil {
		t.Fatal(err)
	}
	if end, err := b.End(t.Context(), "t"); err != nil || end != 4 {
		t.Fatalf("end %d, %v", end, err)
	}
	if err := b.Play(t.Context(), "t", log); err == nil || !strings.Contains(err.Error(), "already at 4") {
		t.Fatal(err)
	}
	if err := b.Play(t.Context(), "t", []Recorded{{Offset: 7, Aborted: true}}); err != nil {
		t.Fatal(err)
	}
	if stable, err := b.StableEnd(t.Context(), "t"); err != nil || stable != 9 {
		t.Fatalf("stable end %d, %v: the last transaction is left open", stable, err)
	}
}

func TestRestartKeepsAll(t *testing.T) {
	dir := t.TempDir()
	b := start(t, EmbeddedOptions{DataDir: dir, SyncWrites: true, Listener: SASL})
	addr := b.Addr(SASL)
	if err := b.CreateTopic(t.Context(), "t", 1, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Produce(t.Context(), "t", Zstd, Message{Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	if err := b.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := b.Addr(SASL); got != addr || b.Addr(Plain) != "" {
		t.Fatalf("%s, was %s", got, addr)
	}
	if end, err := b.End(t.Context(), "t"); err != nil || end != 1 {
		t.Fatalf("end %d, %v", end, err)
	}
}

func TestFoldersOfTheDeadAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(os.TempDir(), fmt.Sprintf("%s%d-x", directoryPrefix, ended.Process.Pid))
	if err := os.Mkdir(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	first, err := newDirectory()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newDirectory(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("the directory of a process that ended is still there:", err)
	}
	if _, err := os.Stat(first); err != nil {
		t.Fatal("our own directory is gone:", err)
	}
}

func TestProcessStops(t *testing.T) {
	deaf := exec.Command("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
	output, err := deaf.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := startProcess(deaf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(output, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	p.grace = time.Millisecond
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if p.err == nil {
		t.Fatal("it was killed, and says nothing of it")
	}
	if err := p.stop(); err != nil {
		t.Fatalf("stopped twice: %v", err)
	}
}
