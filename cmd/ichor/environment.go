package main

import (
	"fmt"
	"net/url"
	"os"
	"sort"
	"strings"
)

// environment reads the reference replicator's variables as aliases, so that the environment
// of a Talos deployment starts Ichor. They win over the file. Those that mean nothing here
// are named in one warning.
func (s *settings) environment(environ []string) {
	env := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	set := func(into *string, name string) {
		if v, ok := env[name]; ok && v != "" {
			*into = v
		}
	}
	if v := env["KAFKA_BROKERS"]; v != "" {
		s.Source.Brokers = nil
		for _, broker := range strings.Split(v, ",") {
			s.Source.Brokers = append(s.Source.Brokers, strings.TrimSpace(broker))
		}
	}
	set(&s.Source.Topic, "KAFKA_TOPIC")
	set(&s.Source.Group, "KAFKA_GROUP_ID")
	set(&s.Source.Group, "BANK_REPLICATOR_KAFKA_GROUP_ID")
	set(&s.Source.ClientID, "KAFKA_CLIENT_ID")
	if env["KAFKA_USERNAME"] != "" {
		s.Source.SASL.Username = env["KAFKA_USERNAME"]
		s.Source.SASL.PasswordEnv, s.Source.SASL.PasswordFile = "KAFKA_PASSWORD", ""
		if s.Source.SASL.Mechanism == "" {
			s.Source.SASL.Mechanism = "scram-sha-512" // the reference's only one
		}
	}
	if env["COHORT_PG_HOST"] != "" || env["COHORT_PG_DATABASE"] != "" {
		s.Database.URL, s.Database.URLFile, s.Database.URLEnv = postgresURL(env), "", ""
	}
	if dead := withoutMeaning(env); len(dead) > 0 {
		fmt.Fprintf(os.Stderr, "ichor: these settings of the reference mean nothing here: %s\n", strings.Join(dead, ", "))
	}
}

func postgresURL(env map[string]string) string {
	or := func(name, otherwise string) string {
		if v := env[name]; v != "" {
			return v
		}
		return otherwise
	}
	u := url.URL{Scheme: "postgres", Host: or("COHORT_PG_HOST", "127.0.0.1") + ":" + or("COHORT_PG_PORT", "5432"), Path: "/" + env["COHORT_PG_DATABASE"]}
	if user := env["COHORT_PG_USER"]; user != "" {
		u.User = url.UserPassword(user, env["COHORT_PG_PASSWORD"])
	}
	return u.String()
}

// withoutMeaning returns the variables of the reference that are set and do nothing here.
func withoutMeaning(env map[string]string) []string {
	var dead []string
	for name := range env {
		for _, prefix := range []string{"BACKPRESSURE_", "REPLICATOR_", "STATEMAP_", "BANK_STATEMAP_", "KAFKA_CONSUMER_OVERRIDES.", "KAFKA_PRODUCER_OVERRIDES."} {
			if strings.HasPrefix(name, prefix) {
				dead = append(dead, name)
			}
		}
		if name == "COHORT_PG_POOL_SIZE" || name == "KAFKA_LOG_LEVEL" {
			dead = append(dead, name)
		}
	}
	sort.Strings(dead)
	return dead
}
