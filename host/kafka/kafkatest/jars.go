package kafkatest

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// apacheVersion is the version that pom.xml names.
const apacheVersion = "4.1.0"

//go:embed pom.xml
var pom []byte

// MissingError says that a tool which Apache Kafka needs is not installed.
type MissingError struct {
	Tool string
}

// Error implements error.
func (e *MissingError) Error() string {
	return fmt.Sprintf("the Kafka tests need Java 17 and Maven (no %s found); the same tests run on kfake without them: apt-get install openjdk-17-jre-headless maven", e.Tool)
}

// needTools returns a MissingError unless Java and Maven are there.
func needTools() error {
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			return &MissingError{Tool: tool}
		}
	}
	return nil
}

// jars returns the directory with the broker's jars, which it gets with Maven the first time.
func jars(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	home := filepath.Join(cache, "ichor", "kafka-"+apacheVersion)
	if _, err := os.Stat(home); err == nil {
		return home, nil
	}
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(filepath.Dir(home), "get-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := get(ctx, work); err != nil {
		return "", err
	}
	// The rename makes the directory complete or absent. Another process may have been first;
	// its directory holds the same.
	if err := os.Rename(filepath.Join(work, "jars"), home); err != nil {
		if _, there := os.Stat(home); there != nil {
			return "", err
		}
	}
	return home, nil
}

// get puts the jars into the directory jars below work.
func get(ctx context.Context, work string) error {
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B",
		"org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies", "-DoutputDirectory=jars", "-DincludeScope=runtime")
	var output bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = work, &output, &output
	if err := run(cmd); err != nil {
		return fmt.Errorf("get Apache Kafka with Maven: %w\n%s", err, output.Bytes())
	}
	return nil
}
