package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
)

// Each value of a line reads the same in both formats, and neither shows what a failure keeps for the quarantine.
func TestBothFormatsOfTheLogSayTheSame(t *testing.T) {
	var text, lines bytes.Buffer
	for format, to := range map[string]*bytes.Buffer{"text": &text, "json": &lines} {
		log, err := logger(logSettings{Level: "info", Format: format}, to)
		if err != nil {
			t.Fatal(err)
		}
		log.With("waited", 1500*time.Millisecond).Warn("a line",
			"lease", 5*time.Second, "within", slog.GroupValue(slog.Duration("took", time.Millisecond)), "reason", status.Paused, "version", 7, "error", errors.New("refused"),
			"because", replicator.Failure{Kind: replicator.KindSQL, Code: "23505", Message: "duplicate key", Detail: "Key (iban)=(DE02) exists"})
	}
	var line map[string]any
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "time")
	line["within.took"] = line["within"].(map[string]any)["took"]
	delete(line, "within")
	for key, want := range map[string]string{
		"level": "WARN", "msg": "a line", "waited": "1.5s", "lease": "5s", "within.took": "1ms", "reason": "paused", "version": "7", "error": "refused", "because": "sql 23505: duplicate key",
	} {
		if got := fmt.Sprint(line[key]); got != want {
			t.Errorf("JSON says %s is %s, want %s", key, got, want)
		}
		quoted := want
		if strings.Contains(want, " ") {
			quoted = fmt.Sprintf("%q", want)
		}
		if !strings.Contains(text.String(), " "+key+"="+quoted) {
			t.Errorf("text does not say %s=%s: %s", key, quoted, &text)
		}
		delete(line, key)
	}
	if len(line) > 0 || strings.Contains(lines.String()+text.String(), "DE02") {
		t.Errorf("the lines have more: %v\n%s%s", line, &lines, &text)
	}
}

// TestPasswordsInURLsAreNotPrinted has users write a password where none belongs: it is refused, and not repeated.
func TestPasswordsInURLsAreNotPrinted(t *testing.T) {
	d := deploy(t, 1)
	const name = "u:S3CRETPW@127.0.0.1:1"
	text, err := os.ReadFile(d.settings)
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(file, old, now string) string {
		path := filepath.Join(t.TempDir(), file)
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, now, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pull := wrong("pull.yaml", "guests:\n", "guests:\n  pull: {banking: \"oci://"+name+"/x@sha256:"+strings.Repeat("0", 64)+"\"}\n")
	brokers := wrong("brokers.yaml", "source: {brokers: [", "source: {brokers: [\""+name+"\", ")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"a registry's credentials are Docker's", []string{"check", "-c", pull}},
		{"one has a user before an @", []string{"check", "-c", brokers}},
		{"(not shown)", []string{"run", "--print-config", "-c", brokers}},
		{"a registry's credentials are Docker's", []string{"run", "-c", pull}},
		{"(not shown)", []string{"run", "--print-config", "-c", pull}},
		{"a registry's credentials are Docker's", []string{"guest", "pull", "oci://" + name + "/x:v1", "-o", filepath.Join(t.TempDir(), "x.wasm")}},
		{"--address names a user", []string{"status", "--address", "http://" + name}},
	} {
		code, out := d.ichor(c.args...)
		if code != exitSettings || !strings.Contains(out, c.want) || strings.Contains(out, "S3CRETPW") {
			t.Errorf("ichor %s ends with %d and says\n%s", strings.Join(c.args, " "), code, out)
		}
	}
}
