package main

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
)

// environment reads the reference replicator's variables as aliases, so that the environment
// of a Talos deployment starts Ichor. They win over the file. Those that mean nothing here
// are named in one warning.
func (s *settings) environment(environ []string) error {
	env := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if reference(name) {
			value = unquoted(value)
		}
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
			if broker = strings.TrimSpace(broker); broker != "" {
				s.Source.Brokers = append(s.Source.Brokers, broker)
			}
		}
	}
	set(&s.Source.Topic, "KAFKA_TOPIC")
	// KAFKA_GROUP_ID is the certifier's group: taking it would move the certifier's offset.
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
	if port := env["COHORT_PG_PORT"]; port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("COHORT_PG_PORT is %q: want the number of a port", port)
		}
	}
	if dead := withoutMeaning(env); len(dead) > 0 {
		fmt.Fprintf(os.Stderr, "ichor: these settings of the reference mean nothing here: %s\n", strings.Join(dead, ", "))
	}
	return nil
}

// reference reports whether a variable is one of the reference's.
func reference(name string) bool {
	for _, prefix := range []string{"KAFKA_", "COHORT_PG_", "BANK_REPLICATOR_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// unquoted takes the quotes off that docker run --env-file leaves around a value.
func unquoted(value string) string {
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		return value[1 : n-1]
	}
	return value
}

func postgresURL(env map[string]string) string {
	or := func(name, otherwise string) string {
		if v := env[name]; v != "" {
			return v
		}
		return otherwise
	}
	host := strings.Trim(or("COHORT_PG_HOST", "127.0.0.1"), "[]") // an address of IPv6 is written with brackets or without
	u := url.URL{Scheme: "postgres", Host: net.JoinHostPort(host, or("COHORT_PG_PORT", "5432")), Path: "/" + env["COHORT_PG_DATABASE"]}
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
		if name == "COHORT_PG_POOL_SIZE" || name == "KAFKA_LOG_LEVEL" || name == "KAFKA_GROUP_ID" {
			dead = append(dead, name)
		}
	}
	sort.Strings(dead)
	return dead
}
