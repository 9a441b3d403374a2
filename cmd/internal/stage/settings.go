package stage

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Settings is the host's settings file, as far as a stage has something to say. What is left out
// or 0 has the host's default.
type Settings struct {
	Source struct {
		Brokers []string `yaml:"brokers"`
		Topic   string   `yaml:"topic"`
		Group   string   `yaml:"group"`
	} `yaml:"source"`
	Database struct {
		URL              string `yaml:"url,omitempty"`
		URLFile          string `yaml:"url_file,omitempty"` // instead of URL
		StatementTimeout string `yaml:"statement_timeout,omitempty"`
		Lease            string `yaml:"lease,omitempty"`
	} `yaml:"database"`
	Guests struct {
		Directory string  `yaml:"directory"`
		Routes    []Route `yaml:"routes"`
		Cache     string  `yaml:"cache_directory"`
		SQL       struct {
			Functions []string `yaml:"functions,omitempty"`
		} `yaml:"sql,omitempty"`
		Shadow struct {
			Versions    int `yaml:"versions,omitempty"`
			Differences int `yaml:"differences,omitempty"`
		} `yaml:"shadow,omitempty"`
		Probation struct {
			Versions int `yaml:"versions,omitempty"`
		} `yaml:"probation,omitempty"`
	} `yaml:"guests"`
	Installer struct {
		Lanes    int `yaml:"lanes,omitempty"`
		GroupMax int `yaml:"group_max,omitempty"`
	} `yaml:"installer,omitempty"`
	HTTP struct {
		Listen string `yaml:"listen"`
		Tokens string `yaml:"tokens,omitempty"`
	} `yaml:"http"`
	Trace struct {
		Endpoint string `yaml:"endpoint,omitempty"`
	} `yaml:"trace,omitempty"`
}

// Rewrite changes the settings of a host that does not run.
func (s *Stage) Rewrite(h *Host, change func(*Settings)) error {
	text, err := os.ReadFile(h.Settings)
	if err != nil {
		return err
	}
	var settings Settings
	if err := yaml.Load(text, &settings); err != nil {
		return fmt.Errorf("read the host's settings: %w", err)
	}
	change(&settings)
	_, err = s.WriteSettings(strings.TrimSuffix(filepath.Base(h.Settings), ".yaml"), &settings)
	return err
}

// Route says which guest converts the candidates of a cohort.
type Route struct {
	Cohort string `yaml:"cohort"`
	Guest  string `yaml:"guest"`
}

// Group is the consumer group that hosts of the stage publish to.
func (s *Stage) Group() string { return "ichor-" + s.options.Name }

// Settings returns those of a host that reads the topic and installs in the database at url. Hosts
// with the same cache find what an earlier one has compiled.
func (s *Stage) Settings(topic, url, cache, listen string) Settings {
	var out Settings
	out.Source.Brokers, out.Source.Topic, out.Source.Group = s.Brokers(), topic, s.Group()
	out.Database.URL = url
	out.Guests.Directory, out.Guests.Routes = s.guests(), []Route{{Cohort: "*", Guest: s.options.Example}}
	out.Guests.Cache = s.Path(cache)
	out.HTTP.Listen = listen
	return out
}

// WriteToken writes a file of tokens with one that may do everything, and returns the file's path and the token.
func (s *Stage) WriteToken() (file, token string, err error) {
	token = rand.Text()
	file = s.Path("tokens")
	if err := os.WriteFile(file, []byte("you operator,deployer "+token+"\n"), 0o600); err != nil {
		return "", "", fmt.Errorf("write the host's tokens: %w", err)
	}
	return file, token, nil
}

// WriteSettings writes a settings file of the stage, makes the directory of its cache, and returns
// the file's path.
func (s *Stage) WriteSettings(name string, settings *Settings) (string, error) {
	text, err := yaml.Dump(settings)
	if err != nil {
		return "", fmt.Errorf("write the host's settings: %w", err)
	}
	if err := os.MkdirAll(settings.Guests.Cache, 0o700); err != nil {
		return "", fmt.Errorf("write the host's settings: %w", err)
	}
	file := s.Path(name + ".yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return "", fmt.Errorf("write the host's settings: %w", err)
	}
	return file, nil
}
