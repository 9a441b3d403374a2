package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.yaml.in/yaml/v4"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// composition is the file of examples/compose, as far as the example uses what Compose knows.
type composition struct {
	Name     string             `yaml:"name"`
	Ichor    any                `yaml:"x-ichor"`
	Host     any                `yaml:"x-host"`
	Services map[string]service `yaml:"services"`
	Secrets  map[string]struct {
		File string `yaml:"file"`
	} `yaml:"secrets"`
	Volumes map[string]any `yaml:"volumes"`
}

type service struct {
	Image      string            `yaml:"image"`
	PullPolicy string            `yaml:"pull_policy"`
	Command    []string          `yaml:"command"`
	Env        map[string]string `yaml:"environment"`
	User       string            `yaml:"user"`
	ReadOnly   bool              `yaml:"read_only"`
	CapDrop    []string          `yaml:"cap_drop"`
	Security   []string          `yaml:"security_opt"`
	MemLimit   string            `yaml:"mem_limit"`
	Grace      string            `yaml:"stop_grace_period"`
	Restart    string            `yaml:"restart"`
	Tmpfs      []string          `yaml:"tmpfs"`
	Secrets    []string          `yaml:"secrets"`
	Volumes    []string          `yaml:"volumes"`
	Ports      []string          `yaml:"ports"`
	Build      *struct {
		Context    string `yaml:"context"`
		Dockerfile string `yaml:"dockerfile"`
	} `yaml:"build"`
	Health *struct {
		Test     []string `yaml:"test"`
		Interval duration `yaml:"interval"`
		Timeout  duration `yaml:"timeout"`
		Start    duration `yaml:"start_period"`
		Retries  int      `yaml:"retries"`
	} `yaml:"healthcheck"`
	After map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
}

func compose(t *testing.T) composition {
	t.Helper()
	var c composition
	decoder := yaml.NewDecoder(strings.NewReader(readExample(t, "compose/compose.yaml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// Every file that is mounted is there, every image has a tag, and no port is open beyond this machine.
func TestComposeNamesWhatIsThere(t *testing.T) {
	c := compose(t)
	there := func(what, file string) {
		if _, err := os.Stat(filepath.Join(examples, "compose", file)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for name, secret := range c.Secrets {
		there("secret "+name, secret.File)
	}
	for name, s := range c.Services {
		if !regexp.MustCompile(`^[a-z/-]+:(v?\d+(\.\d+)+|dev)$`).MatchString(s.Image) {
			t.Errorf("%s: the image %q has no tag that stays", name, s.Image)
		}
		if strings.HasSuffix(s.Image, ":dev") && s.Build == nil && s.PullPolicy != "never" {
			t.Errorf("%s: no registry has the image %s, and it is not built", name, s.Image)
		}
		if s.Build != nil {
			there(name, path.Join(s.Build.Context, s.Build.Dockerfile, map[bool]string{true: "Dockerfile"}[s.Build.Dockerfile == ""]))
		}
		for _, volume := range s.Volumes {
			source, target, _ := strings.Cut(volume, ":")
			if _, declared := c.Volumes[source]; declared {
				continue
			}
			there(name+" mounts", source)
			if !strings.HasPrefix(source, ".") || !strings.HasSuffix(target, ":ro") {
				t.Errorf("%s mounts %s: no named volume, and it may change it", name, volume)
			}
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to others", name, port)
			}
		}
		for _, secret := range s.Secrets {
			if _, there := c.Secrets[secret]; !there {
				t.Errorf("%s: there is no secret %s", name, secret)
			}
		}
		for other, after := range s.After {
			of, there := c.Services[other]
			healthy, done := after.Condition == "service_healthy", after.Condition == "service_completed_successfully"
			if !there || healthy && of.Health == nil || done && (of.Restart != "" || of.Health != nil) || !healthy && !done {
				t.Errorf("%s waits for %s until %s, which never is", name, other, after.Condition)
			}
		}
	}
}

// Whatever is built here runs as in a cluster that trusts nobody.
func TestComposeGivesItsOwnImagesNoRights(t *testing.T) {
	own, hosts := 0, 0
	for name, s := range compose(t).Services {
		if !strings.HasSuffix(s.Image, ":dev") {
			continue
		}
		own++
		if s.User != "65532:65532" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(s.Security, []string{"no-new-privileges:true"}) {
			t.Errorf("%s has rights: %+v", name, s)
		}
		if s.Command[0] != "run" {
			continue
		}
		hosts++
		if s.Health == nil || s.MemLimit != "1g" || s.Env["GOMEMLIMIT"] != "600MiB" || s.Grace != "20s" || s.Restart != "unless-stopped" {
			t.Errorf("%s is no host that is watched, bounded and let end: %+v", name, s)
		}
	}
	if own != 4 || hosts != 2 {
		t.Errorf("%d services of our own, %d of them hosts, want 4 and 2: an owner and a standby", own, hosts)
	}
}

// What the settings name is what the services are.
func TestComposeFitsItsSettings(t *testing.T) {
	c, s := compose(t), defaultSettings()
	if err := decodeSettings(strings.NewReader(readExample(t, "compose/ichor.yaml")), &s); err != nil {
		t.Fatal(err)
	}
	kafka, postgres, host := c.Services["kafka"], c.Services["postgres"], c.Services["ichor-1"]
	if want := "PLAINTEXT://" + s.Source.Brokers[0]; !strings.HasPrefix(kafka.Env["KAFKA_ADVERTISED_LISTENERS"], want+",") {
		t.Errorf("the broker says that it is at %s, the settings %s", kafka.Env["KAFKA_ADVERTISED_LISTENERS"], want)
	}
	for _, command := range [][]string{c.Services["topic"].Command, c.Services["traffic"].Command} {
		if said := strings.Join(command, " "); !strings.Contains(said, s.Source.Brokers[0]) || !strings.Contains(said, s.Source.Topic+" ") {
			t.Errorf("%q is not about %s at %s", said, s.Source.Topic, s.Source.Brokers[0])
		}
	}
	database, err := pgx.ParseConfig(strings.TrimSpace(readExample(t, "compose/database")))
	if err != nil {
		t.Fatal(err)
	}
	if database.Host != "postgres" || database.Database != postgres.Env["POSTGRES_DB"] || s.Database.URLFile != "/run/secrets/database" {
		t.Errorf("the URL is of %s at %s, in %s", database.Database, database.Host, s.Database.URLFile)
	}
	if tokens := readExample(t, "compose/tokens"); !strings.Contains(tokens, " "+host.Env[tokenVariable]+"\n") || host.Env[tokenVariable] == "" {
		t.Errorf("%s is none of the tokens", tokenVariable)
	}
	mounted := strings.Join(host.Volumes, "\n")
	for _, file := range []string{host.Command[2], s.HTTP.Tokens, s.Guests.Directory + "/" + s.Guests.Routes[0].Guest + ".wasm"} {
		if !strings.Contains(mounted, ":"+file+":ro") {
			t.Errorf("%s is not mounted", file)
		}
	}
	if want := filepath.Dir(s.Guests.CacheDir) + ":uid=65532,gid=65532,mode=0700"; !slices.Equal(host.Tmpfs, []string{want}) {
		t.Errorf("%v can be written, want %s", host.Tmpfs, want)
	}
	scraped := readExample(t, "compose/prometheus.yaml")
	for _, name := range []string{"ichor-1", "ichor-2"} {
		if !strings.Contains(scraped, name+":9464") || !slices.Contains(s.HTTP.Hosts, name) {
			t.Errorf("%s is not scraped, or refuses that by http.hosts %v", name, s.HTTP.Hosts)
		}
	}
}

// The SQL of the first start is taken in its order, and the role can make the schema and do what hosts and
// the initiator do. Roles are the server's, which other tests have too: this one has a server of its own.
func TestComposeOpensTheBank(t *testing.T) {
	conn := composedBank(t, compose(t), pgtest.Private(t, pgtest.Options{}))
	for _, sql := range []string{
		"set role ichor", installer.Schema(), "update bank_accounts set amount = amount - 1 where number = '1000'",
		"select version from cohort_snapshot where id = 'SINGLETON'",
	} {
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Errorf("%.60s: %v", sql, err)
		}
	}
	var accounts int
	var money string
	if err := conn.QueryRow(t.Context(), "select count(*), sum(amount)::bigint::text from bank_accounts").Scan(&accounts, &money); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprint(1000*1_000_000 - 1); accounts != 1000 || money != want {
		t.Errorf("%d accounts with %s, want 1000, as many as the traffic is about, with %s", accounts, money, want)
	}
}

// composedBank makes the database as the service postgres does at its first start, and returns a connection of its superuser.
func composedBank(t *testing.T, c composition, server *pgtest.Server) *pgx.Conn {
	t.Helper()
	database := c.Services["postgres"].Env["POSTGRES_DB"]
	if _, err := server.CreateDatabase(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), server.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	scripts := map[string]string{} // by where they are mounted, which is their order
	for _, volume := range c.Services["postgres"].Volumes {
		if source, target, _ := strings.Cut(volume, ":"); strings.HasPrefix(target, "/docker-entrypoint-initdb.d/") {
			scripts[target] = readExample(t, path.Join("compose", source))
		}
	}
	for _, target := range slices.Sorted(maps.Keys(scripts)) {
		if _, err := conn.Exec(t.Context(), scripts[target], pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", target, err)
		}
	}
	return conn
}

// Both images are built of what their .dockerignore lets through.
func TestImagesAreBuiltOfWhatIsSent(t *testing.T) {
	for command, ignore := range map[string]string{"ichor": "../../.dockerignore", "traffic": examples + "compose/traffic.Dockerfile.dockerignore"} {
		text, err := os.ReadFile(ignore)
		if err != nil {
			t.Fatal(err)
		}
		var sent []string
		for line := range strings.Lines(string(text)) {
			if name, found := strings.CutPrefix(strings.TrimSpace(line), "!"); found {
				sent = append(sent, name)
			}
		}
		const module = "github.com/ichor-replicator/ichor/"
		list := exec.CommandContext(t.Context(), "go", "list", "-deps", module+"cmd/"+command)
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			name, ours := strings.CutPrefix(strings.TrimSpace(line), module)
			if ours && !slices.ContainsFunc(sent, func(s string) bool { return name == s || strings.HasPrefix(name, s+"/") }) {
				t.Errorf("%s is built of %s, which %s keeps back", command, name, ignore)
			}
		}
	}
}
