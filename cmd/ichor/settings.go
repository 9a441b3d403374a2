package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/spans"
)

// settings is the file of settings. Every key is here; one that is not is refused.
type settings struct {
	Source    sourceSettings    `yaml:"source"`
	Database  databaseSettings  `yaml:"database"`
	Guests    guestSettings     `yaml:"guests"`
	Installer installerSettings `yaml:"installer"`
	Limits    limitSettings     `yaml:"limits"`
	HTTP      httpSettings      `yaml:"http"`
	Log       logSettings       `yaml:"log"`
	Trace     traceSettings     `yaml:"trace"`
}

type sourceSettings struct {
	Brokers         []string     `yaml:"brokers"`
	Topic           string       `yaml:"topic"`
	Group           string       `yaml:"group"`
	ClientID        string       `yaml:"client_id"`
	Start           string       `yaml:"start"`
	DecisionOverdue duration     `yaml:"decision_overdue"`
	TLS             tlsSettings  `yaml:"tls"`
	SASL            saslSettings `yaml:"sasl"`
}

type tlsSettings struct {
	Enabled    bool   `yaml:"enabled"`
	CAFile     string `yaml:"ca_file"`
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"`
}

type saslSettings struct {
	Mechanism    string `yaml:"mechanism"`
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
	PasswordEnv  string `yaml:"password_env"`
}

type databaseSettings struct {
	URL              string   `yaml:"url"`
	URLFile          string   `yaml:"url_file"`
	URLEnv           string   `yaml:"url_env"`
	Init             bool     `yaml:"init"`
	SearchPath       string   `yaml:"search_path"`
	StatementTimeout duration `yaml:"statement_timeout"`
	LockTimeout      duration `yaml:"lock_timeout"`
	Lease            duration `yaml:"lease"`
}

type guestSettings struct {
	Directory string            `yaml:"directory"`
	Routes    []rollout.Route   `yaml:"routes"`
	Unrouted  string            `yaml:"unrouted"`
	Pull      map[string]string `yaml:"pull"` // by guest: the reference from which its file comes, by digest
	Pins      map[string]pins   `yaml:"pins"` // by guest: the digests of which its module must be one
	Keys      []string          `yaml:"keys"` // public keys, or files: one of them must have signed each module
	Keep      int               `yaml:"keep"` // modules of a guest in the database, beside those that are needed
	Probation probationSettings `yaml:"probation"`
	Shadow    shadowSettings    `yaml:"shadow"`
	CacheDir  string            `yaml:"cache_directory"`
	Memory    size              `yaml:"memory"`
	Fuel      fuelSettings      `yaml:"fuel"`
	Limits    callSettings      `yaml:"limits"`
	SQL       sqlSettings       `yaml:"sql"`
}

// fuelSettings bound what a guest may burn; a unit is about an instruction.
type fuelSettings struct {
	Start int64 `yaml:"start"`
	Call  int64 `yaml:"call"`
	Item  int64 `yaml:"item"`
}

// callSettings bound what goes into a guest and comes out of it. Input, output and values
// are of a call; a version that does not fit alone is held.
type callSettings struct {
	Input             size `yaml:"input"`              // the frame of payloads and their tokens; at most 16MiB
	Output            size `yaml:"output"`             // the frame of statements; at most 16MiB
	Values            size `yaml:"values"`             // the sum of the values; at most 16MiB
	ItemStatements    int  `yaml:"item_statements"`    // of an item, on average over its version's items
	VersionStatements int  `yaml:"version_statements"` // of a version, whatever its items; at most 65536
	Versions          int  `yaml:"versions"`           // of a call, however quick they are
}

// probationSettings say when a module that took over is taken back by itself: when it does worse than the one
// before did with as many versions.
type probationSettings struct {
	Versions int     `yaml:"versions" zero:"no probation"`
	Rejects  int     `yaml:"rejects"`         // versions more that cannot be installed
	Fuel     float64 `yaml:"fuel" zero:"any"` // times as much a version
	Time     float64 `yaml:"time" zero:"any"` // times as long a version
}

// shadowSettings say what a file's module must show before it converts: beside the one that converts it is given the
// same versions, and what both make of them is compared.
type shadowSettings struct {
	Versions    int      `yaml:"versions"`    // that are compared; 0 is no shadow
	Differences int      `yaml:"differences"` // that there may be at most
	Expected    []string `yaml:"expected"`    // sets of differences that a person confirmed, each sha256:…
}

// sqlSettings say what guests may declare beyond, and short of, what is allowed to all.
type sqlSettings struct {
	Relations []string `yaml:"relations"`
	Functions []string `yaml:"functions"`
	Types     []string `yaml:"types"`
	Unbounded bool     `yaml:"unbounded"`
}

type installerSettings struct {
	Lanes         int      `yaml:"lanes"`
	GroupMax      int      `yaml:"group_max"`
	GroupBytesMax size     `yaml:"group_bytes_max"`
	Deadline      duration `yaml:"deadline"`
	PoisonBreaker int      `yaml:"poison_breaker"`
	Order         string   `yaml:"order"`
	AheadAfter    duration `yaml:"ahead_after"`
}

type limitSettings struct {
	Memory size `yaml:"memory"`
}

type httpSettings struct {
	Listen string   `yaml:"listen"`
	Hosts  []string `yaml:"hosts"`  // names in the header Host, beside its own and loopback's
	Tokens string   `yaml:"tokens"` // the file of those who may read and change
}

type logSettings struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// traceSettings say where OpenTelemetry's spans go, and of which versions. Headers and certificates of the receiver
// are OpenTelemetry's own variables.
type traceSettings struct {
	Endpoint string   `yaml:"endpoint"`          // of OTLP over gRPC, as in http://collector:4317; empty is none
	Slow     duration `yaml:"slow"`              // from decision to commit; those that take longer are sent
	Share    float64  `yaml:"share" zero:"none"` // of the others that is sent, between 0 and 1
}

// duration is a time with its unit, as in 500ms.
type duration time.Duration

// UnmarshalYAML reads it.
func (d *duration) UnmarshalYAML(node *yaml.Node) error {
	t, err := time.ParseDuration(node.Value)
	if err != nil || t < 0 {
		return fmt.Errorf("%q is no duration: write a number with a unit, as in 500ms or 2m", node.Value)
	}
	*d = duration(t)
	return nil
}

// MarshalYAML is the inverse of UnmarshalYAML.
func (d duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

// size is a number of bytes with its unit, as in 256MiB.
type size int

var units = []struct {
	suffix string
	factor int
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}, {"", 1}}

// UnmarshalYAML reads it.
func (s *size) UnmarshalYAML(node *yaml.Node) error {
	word := node.Value
	for _, u := range units {
		number, found := strings.CutSuffix(word, u.suffix)
		if !found {
			continue
		}
		var n int
		if _, err := fmt.Sscanf(strings.TrimSpace(number)+"\n", "%d\n", &n); err != nil || n < 0 {
			break
		}
		*s = size(n * u.factor)
		return nil
	}
	return fmt.Errorf("%q is no size: write a number with a unit, as in 256MiB", word)
}

// MarshalYAML is the inverse of UnmarshalYAML.
func (s size) MarshalYAML() (any, error) {
	for i := 2; i >= 0; i-- {
		if s > 0 && int(s)%units[i].factor == 0 {
			return fmt.Sprintf("%d%s", int(s)/units[i].factor, units[i].suffix), nil
		}
	}
	return fmt.Sprintf("%dB", int(s)), nil
}

// defaultSettings are what a file that says nothing means.
func defaultSettings() settings {
	return settings{
		Source: sourceSettings{ClientID: kafka.DefaultClientID, Start: string(host.StartBeginning), DecisionOverdue: duration(host.DefaultDecisionOverdue)},
		Database: databaseSettings{
			SearchPath: installer.DefaultSearchPath, StatementTimeout: duration(installer.DefaultStatementTimeout),
			LockTimeout: duration(replicator.DefaultLockWait), Lease: duration(host.DefaultLease),
		},
		Guests: guestSettings{
			Unrouted: string(rollout.UnroutedPoison), Keep: rollout.DefaultKeep,
			Probation: probationSettings{Versions: replicator.DefaultProbationVersions, Fuel: replicator.DefaultProbationFuel, Time: replicator.DefaultProbationTime},
			Memory:    guest.DefaultMemoryPages * (64 << 10),
			Fuel:      fuelSettings{Start: guest.DefaultFuelStart, Call: guest.DefaultFuelCall, Item: guest.DefaultFuelItem},
			Limits: callSettings{
				Input: guest.DefaultInputBytes, Output: guest.DefaultOutputBytes, Values: guest.DefaultArgumentBytes,
				ItemStatements: guest.DefaultItemStatements, VersionStatements: guest.DefaultStatements, Versions: guest.DefaultBatchMax,
			},
		},
		Installer: installerSettings{
			Lanes: replicator.DefaultLanes, GroupMax: replicator.DefaultGroupMax, Order: string(replicator.OrderKeys), AheadAfter: duration(replicator.DefaultAheadAfter), GroupBytesMax: replicator.DefaultGroupBytesMax,
			Deadline: duration(installer.DefaultDeadline), PoisonBreaker: replicator.DefaultPoisonBreaker,
		},
		Limits: limitSettings{Memory: replicator.DefaultMemory},
		HTTP:   httpSettings{Listen: host.DefaultListen},
		Log:    logSettings{Level: "info", Format: "text"},
		Trace:  traceSettings{Slow: duration(spans.DefaultSlow), Share: spans.DefaultShare},
	}
}

// misread is what is wrong with single settings and keys of a file, the others of which are read.
type misread struct{ error }

// Unwrap returns what is wrong.
func (m *misread) Unwrap() error { return m.error }

// notRead reports whether an error of settings is that none was read.
func notRead(err error) bool {
	_, partly := errors.AsType[*misread](err)
	return err != nil && !partly
}

// readSettings reads a file of settings over the defaults, and the environment over both; an
// empty path is the environment alone. After a misread what else is wrong can still be said.
func readSettings(path string) (settings, error) {
	s := defaultSettings()
	var wrong error
	if path != "" {
		if s, wrong = readFile(path); notRead(wrong) {
			return s, wrong
		}
	}
	if err := s.environment(os.Environ()); err != nil {
		wrong = &misread{atOnce(wrong, fmt.Errorf("settings: %w", err))}
	}
	return s, wrong
}

// wrongSettings is the failure of settings: what could not be read of them, and what is wrong with the rest, which from names where
// nothing before it does; nil for nothing.
func wrongSettings(from string, read, wrong error) error {
	if read == nil && wrong != nil {
		wrong = fmt.Errorf("%s: %w", from, wrong)
	}
	if err := atOnce(read, wrong); err != nil {
		return &failure{exitSettings, err}
	}
	return nil
}

// atOnce joins what is wrong. That a setting is empty is left out where something else was said of it before.
func atOnce(errs ...error) error {
	var all []error
	said := ""
	for _, err := range parts(errs) {
		if name, _, empty := strings.Cut(err.Error(), " is empty"); empty && strings.Contains(said, name) {
			continue
		}
		all, said = append(all, err), said+err.Error()+"\n"
	}
	return errors.Join(all...)
}

// parts returns errors without those that only join others.
func parts(errs []error) (all []error) {
	for _, err := range errs {
		switch joined, joins := err.(interface{ Unwrap() []error }); {
		case joins:
			all = append(all, parts(joined.Unwrap())...)
		case err != nil:
			all = append(all, err)
		}
	}
	return all
}

// readFile reads a file of settings over the defaults.
func readFile(path string) (settings, error) {
	s := defaultSettings()
	file, err := os.Open(path)
	if err != nil {
		return s, fmt.Errorf("settings: %w: name the file with -c", err)
	}
	defer file.Close()
	if err := decodeSettings(file, &s); err != nil {
		return s, fmt.Errorf("settings: %s: %w", path, err)
	}
	return s, nil
}

// settingsMax bounds a file of settings, in bytes.
const settingsMax = 1 << 20

// decodeSettings reads one document of YAML. Every key that no setting has, with the nearest that one has, and every value
// that is none of its setting are in its error, a misread, each with its line.
func decodeSettings(r io.Reader, s *settings) error {
	text, err := io.ReadAll(io.LimitReader(r, settingsMax+1)) // it may be a device
	if err != nil {
		return err
	}
	if len(text) > settingsMax {
		return fmt.Errorf("it is no file of settings, which have at most %d bytes", settingsMax)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	err = decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil // an empty file
	}
	bracketsAt, advice := unquotedAddress(text)
	if err != nil && advice != "" {
		return fmt.Errorf("line %d: %s (%w)", bracketsAt, advice, err)
	}
	if err != nil {
		return err
	}
	keys := keysOf(&document)
	mistakes := keys.unknown
	if err := document.Decode(s); err != nil {
		values, ok := errors.AsType[*yaml.LoadErrors](err)
		if !ok {
			return err
		}
		mistakes = append(mistakes, keys.plainly(values)...)
	}
	slices.SortStableFunc(mistakes, func(a, b mistake) int { return a.line - b.line })
	var wrong []error
	for _, m := range mistakes {
		if m.line == bracketsAt {
			m.says = fmt.Sprintf("%s (%s)", advice, m.says)
		}
		wrong = append(wrong, fmt.Errorf("line %d: %s", m.line, m.says))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		wrong = append(wrong, errors.New("a second document follows the first (a line of ---): settings are one"))
	}
	if wrong != nil {
		return &misread{errors.Join(wrong...)}
	}
	return nil
}

// goTyped is how YAML says that a value is not of the type that a setting has: by a tag of YAML's, the value, and a type of Go's.
var goTyped = regexp.MustCompile("^cannot construct !!(\\w+)(?: (`.*`))? into (\\S+)$")

// plainly says what YAML says of values by the paths of their settings, without words of YAML's or Go's.
func (k *keys) plainly(values *yaml.LoadErrors) (all []mistake) {
	for _, e := range values.Errors {
		said := e.Message
		if parts := goTyped.FindStringSubmatch(said); parts != nil {
			said = cmp.Or(parts[2], "a "+tagWords[parts[1]]) + " stands where " + typeWords(parts[3]) + " is wanted"
		}
		if path := k.paths[spot{e.Mark.Line, e.Mark.Column}]; path != "" {
			said = path + ": " + said
		}
		all = append(all, mistake{e.Mark.Line, said})
	}
	return all
}

// tagWords are YAML's tags of what has no text of its own.
var tagWords = map[string]string{"seq": "list", "map": "mapping"}

// typeWords says of a type of Go's what is to be written.
func typeWords(of string) string {
	switch {
	case strings.HasPrefix(of, "int") || strings.HasPrefix(of, "uint"):
		return "a whole number"
	case strings.HasPrefix(of, "float"):
		return "a number"
	case of == "bool":
		return "true or false"
	case of == "string":
		return "a text"
	case strings.HasPrefix(of, "[]"):
		return "a list"
	}
	return "a mapping of settings"
}

// bracketed is an address of IPv6 with its port that no quotes enclose.
var bracketed = regexp.MustCompile(`(?m)^[^#"'\n]*?(\[[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*(?:%\w+)?\]:\d+)`)

// unquotedAddress says what YAML cannot know, that in such an address the brackets begin no list, and on which line one
// stands; nothing where none does.
func unquotedAddress(text []byte) (line int, advice string) {
	found := bracketed.FindSubmatchIndex(text)
	if found == nil {
		return 0, ""
	}
	return 1 + bytes.Count(text[:found[2]], []byte("\n")),
		fmt.Sprintf("to YAML the brackets of an address begin a list: put it into quotes, as \"%s\"", text[found[2]:found[3]])
}

// options returns the settings as options of the host. All that is wrong is in its error, also every file and variable
// that they name and that cannot be read.
func (s *settings) options() (host.Options, error) {
	o := host.Options{}
	var noPassword, noAddress, noTrust, noPulls error
	o.Source, noPassword = s.Source.options()
	o.Database.Reread = s.Database.address
	o.Database.URL, noAddress = s.Database.address()
	o.Database.Init, o.Database.SearchPath = s.Database.Init, s.Database.SearchPath
	o.Database.StatementTimeout, o.Core.LockWait = time.Duration(s.Database.StatementTimeout), int64(s.Database.LockTimeout)
	o.Core.PoisonBreaker, o.Core.Order, o.Core.AheadAfter = s.Installer.PoisonBreaker, replicator.Order(s.Installer.Order), int64(s.Installer.AheadAfter)
	o.Database.Deadline, o.Database.Lease = time.Duration(s.Installer.Deadline), time.Duration(s.Database.Lease)
	o.Guests = rollout.Options{Directory: s.Guests.Directory, Routes: s.Guests.Routes, Unrouted: rollout.UnroutedPolicy(s.Guests.Unrouted), Keep: s.Guests.Keep}
	o.Guests.Trust, noTrust = s.Guests.trust()
	o.Guests.Carrier, noPulls = s.Guests.carrier()
	o.Guests.Limits, o.Guests.Shadow = s.Guests.limits(), rollout.Shadow(s.Guests.Shadow)
	o.Core.Lanes, o.Core.GroupMax, o.Core.GroupBytesMax = s.Installer.Lanes, s.Installer.GroupMax, int(s.Installer.GroupBytesMax)
	o.Core.Memory, o.Core.Probation = int(s.Limits.Memory), replicator.Probation(s.Guests.Probation)
	o.HTTP.Listen, o.HTTP.Hosts, o.HTTP.Tokens = s.HTTP.Listen, s.HTTP.Hosts, s.HTTP.Tokens
	o.Spans.Endpoint, o.Spans.Slow, o.Spans.Share = s.Trace.Endpoint, time.Duration(s.Trace.Slow), s.Trace.Share
	o.Fill() // every verb checks a guest by the same options as run
	return o, atOnce(zeros(s), noPassword, noAddress, noTrust, noPulls, o.Validate())
}

// zeros says of each number that is 0 that it may not be, unless its tag says what 0 means: Fill takes it for one that is not set.
func zeros(s *settings) error {
	var all []error
	var look func(is, usual reflect.Value, path string)
	look = func(is, usual reflect.Value, path string) {
		for i := range is.NumField() {
			field := is.Type().Field(i)
			key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			number := is.Field(i).CanInt() || is.Field(i).CanFloat()
			switch {
			case field.Type.Kind() == reflect.Struct:
				look(is.Field(i), usual.Field(i), path+key+".")
			case number && is.Field(i).IsZero() && !usual.Field(i).IsZero() && field.Tag.Get("zero") == "":
				all = append(all, fmt.Errorf("%s%s is 0: choose more, or leave it out", path, key))
			}
		}
	}
	look(reflect.ValueOf(s).Elem(), reflect.ValueOf(defaultSettings()), "")
	return errors.Join(all...)
}

// options returns what stands in source. The error is of the password, which could not be read.
func (s *sourceSettings) options() (o host.SourceOptions, noPassword error) {
	o.Brokers, o.Topic, o.Group, o.ClientID = s.Brokers, s.Topic, s.Group, s.ClientID
	o.Start, o.DecisionOverdue = host.StartPolicy(s.Start), time.Duration(s.DecisionOverdue)
	o.TLS = kafka.TLSOptions{Enabled: s.TLS.Enabled, CAFile: s.TLS.CAFile, CertFile: s.TLS.CertFile, KeyFile: s.TLS.KeyFile, ServerName: s.TLS.ServerName}
	password := func() (string, error) {
		return secret("source.sasl.password", "", s.SASL.PasswordFile, s.SASL.PasswordEnv)
	}
	o.SASL = kafka.SASLOptions{Mechanism: s.SASL.Mechanism, Username: s.SASL.Username, Reread: password}
	o.SASL.Password, noPassword = password()
	return o, noPassword
}

// limits returns the limits and the SQL policy of guests as options of package guest.
func (s *guestSettings) limits() guest.Options {
	o := guest.Options{
		CacheDir: s.CacheDir, MemoryPages: uint32(s.Memory / (64 << 10)),
		FuelStart: s.Fuel.Start, FuelCall: s.Fuel.Call, FuelItem: s.Fuel.Item,
		InputBytes: int(s.Limits.Input), OutputBytes: int(s.Limits.Output), ArgumentBytes: int(s.Limits.Values),
		ItemStatements: s.Limits.ItemStatements, Statements: s.Limits.VersionStatements, BatchMax: s.Limits.Versions,
	}
	o.SQL.Relations, o.SQL.Functions, o.SQL.Types, o.SQL.Unbounded = s.SQL.Relations, s.SQL.Functions, s.SQL.Types, s.SQL.Unbounded
	return o
}

// address returns the database's URL as it is now: a file may have changed since the last time.
func (d *databaseSettings) address() (string, error) {
	return secret("database.url", d.URL, d.URLFile, d.URLEnv)
}

// secret returns a value that stands in the settings, in a file, or in the environment.
func secret(name, value, file, env string) (string, error) {
	given := 0
	for _, way := range []string{value, file, env} {
		if way != "" {
			given++
		}
	}
	if given > 1 {
		return "", fmt.Errorf("%s is given more than once: keep one of %s, %s_file and %s_env", name, name, name, name)
	}
	switch {
	case file != "":
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("%s_file: %w", name, err)
		}
		return strings.TrimSpace(string(text)), nil
	case env != "":
		text, set := os.LookupEnv(env)
		if !set {
			return "", fmt.Errorf("%s_env: the environment variable %s is not set", name, env)
		}
		if reference(env) {
			text = unquoted(text)
		}
		return text, nil
	}
	return value, nil
}
