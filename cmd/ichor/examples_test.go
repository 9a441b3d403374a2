package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/ichor-replicator/ichor/host"
)

const examples = "../../examples/"

// readExample returns the text of a file of the examples.
func readExample(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(examples + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// exampleSettings are the settings of each example that runs a host, by the example.
func exampleSettings(t *testing.T) map[string]string {
	t.Helper()
	var kubernetes struct {
		Data map[string]string `yaml:"data"`
	}
	if err := yaml.Unmarshal([]byte(readExample(t, "kubernetes/settings.yaml")), &kubernetes); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"compose":    readExample(t, "compose/ichor.yaml"),
		"kubernetes": kubernetes.Data["ichor.yaml"],
		"systemd":    readExample(t, "systemd/ichor.yaml"),
	}
}

// What an example sets is a setting of this host, and one that it runs with.
func TestTheSettingsOfTheExamplesAreKnown(t *testing.T) {
	database := filepath.Join(t.TempDir(), "database")
	if err := os.WriteFile(database, []byte("postgres://ichor_apply:secret@127.0.0.1:5432/cohort\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for example, text := range exampleSettings(t) {
		t.Run(example, func(t *testing.T) {
			s := defaultSettings()
			if err := decodeSettings(strings.NewReader(text), &s); err != nil {
				t.Fatal(err)
			}
			if s.Database.URLFile == "" || s.Database.URL != "" {
				t.Error("the database's password stands in the settings: it belongs into a file that database.url_file names")
			}
			s.Database.URLFile = database // the example's is not on this machine
			if _, err := s.options(); err != nil {
				t.Error(err)
			}
			if directory := s.Guests.CacheDir; directory == "" || filepath.Base(directory) != "modules" {
				t.Errorf("guests.cache_directory is %q: the directory that is mounted may belong to root, one in it is made by the host", directory)
			}
			printed, err := yaml.Dump(s)
			if err != nil {
				t.Fatal(err)
			}
			again := defaultSettings()
			if err := decodeSettings(strings.NewReader(string(printed)), &again); err != nil {
				t.Errorf("what --print-config says of it is no settings: %v", err)
			}
		})
	}
}

// unit returns what a unit sets, the last of each name, and the lines without one.
func unit(t *testing.T, text string) map[string]string {
	t.Helper()
	set := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		name, value, found := strings.Cut(line, "=")
		if found && !strings.HasPrefix(line, "#") {
			set[name] = value
		}
	}
	return set
}

// The unit restarts what a restart may mend, lets a host drain, and gives it the rights that it needs.
func TestTheUnitFitsTheHost(t *testing.T) {
	set := unit(t, readExample(t, "systemd/ichor.service"))
	for name, want := range map[string]string{
		"ExecStart": "/usr/local/bin/ichor run -c /etc/ichor/ichor.yaml", "Restart": "on-failure", "RestartPreventExitStatus": strconv.Itoa(exitSettings),
		"NoNewPrivileges": "yes", "ProtectSystem": "strict", "CapabilityBoundingSet": "", "User": "ichor", "CacheDirectory": "ichor", "KillMode": "mixed",
	} {
		if got, there := set[name]; !there || got != want {
			t.Errorf("the unit has %s=%s, want %s", name, got, want)
		}
	}
	// Code of guests is made executable after it is written.
	if set["MemoryDenyWriteExecute"] == "yes" {
		t.Error("MemoryDenyWriteExecute=yes: no guest can be compiled")
	}
	stop, err := strconv.Atoi(set["TimeoutStopSec"])
	if drain := host.DefaultShutdownTimeout + 2*time.Second; err != nil || time.Duration(stop)*time.Second <= drain {
		t.Errorf("TimeoutStopSec=%s: a drain may take %v, and whoever kills it before loses what it was at", set["TimeoutStopSec"], drain)
	}
	limit := regexp.MustCompile(`(?m)^GOMEMLIMIT=(\d+)MiB$`).FindStringSubmatch(readExample(t, "systemd/ichor.env"))
	if limit == nil || set["MemoryMax"] != "1G" {
		t.Fatalf("GOMEMLIMIT is %v and MemoryMax=%s", limit, set["MemoryMax"])
	}
	// The child that checks a guest takes up to 330 MiB beside the host.
	if bytes, _ := strconv.Atoi(limit[1]); bytes+330 > 1024 || bytes < 256+100 {
		t.Errorf("GOMEMLIMIT=%d MiB leaves no room for versions, or none for the child that checks a guest, in MemoryMax=%s", bytes, set["MemoryMax"])
	}
}
