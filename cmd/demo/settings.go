package main

import (
	"fmt"
	"os"

	"go.yaml.in/yaml/v4"
)

// settings is the host's settings file, as far as the demonstration has something to say.
type settings struct {
	Source struct {
		Brokers []string `yaml:"brokers"`
		Topic   string   `yaml:"topic"`
		Group   string   `yaml:"group"`
	} `yaml:"source"`
	Database struct {
		URL string `yaml:"url"`
	} `yaml:"database"`
	Guests struct {
		Directory string  `yaml:"directory"`
		Routes    []route `yaml:"routes"`
		Cache     string  `yaml:"cache_directory"`
	} `yaml:"guests"`
	HTTP struct {
		Listen string `yaml:"listen"`
	} `yaml:"http"`
}

type route struct {
	Cohort string `yaml:"cohort"`
	Guest  string `yaml:"guest"`
}

// writeSettings writes the settings file of a host on the stage.
func writeSettings(file string, s *stage) error {
	var out settings
	out.Source.Brokers, out.Source.Topic, out.Source.Group = []string{s.brokers()}, topic, "ichor-demo"
	out.Database.URL = s.postgres.URL(database)
	out.Guests.Directory, out.Guests.Routes = s.guests(), []route{{Cohort: "*", Guest: guestName}}
	out.Guests.Cache = s.path("cache")
	out.HTTP.Listen = s.listen
	text, err := yaml.Dump(out)
	if err != nil {
		return fmt.Errorf("write the host's settings: %w", err)
	}
	return os.WriteFile(file, text, 0o600)
}
