package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

var images = flag.String("images", "", "a store of podman with the images that compose.yaml builds: its services of our own are run from them")

// TestComposeRuns runs the services of our own as compose.yaml has them: their images, commands, environment, mounts and
// rights. Broker and database are of this process, since their images are of a registry; and all share this machine's
// network, so that each has a port of its own. What then is to be seen is what README.md has people look at.
func TestComposeRuns(t *testing.T) {
	if *images == "" {
		t.Skip("make image-check runs it, with -images")
	}
	u := &composedUp{t: t, composition: compose(t), dir: readable(t), listen: map[string]string{}, name: fmt.Sprintf("compose-%d-", os.Getpid())}
	conn := u.surroundings()
	hosts := []string{"ichor-1", "ichor-2"}
	u.run("schema")
	for _, name := range hosts {
		u.run(name, "--detach")
	}
	for _, name := range hosts {
		hosttest.Until(t, func() bool { return u.exec(name, u.Services[name].Health.Test[1:]...) == nil }, func() string { return u.logs(name) })
	}
	said := u.states(hosts, "running, ready", "standby")
	owner, standby := said["running, ready"], said["standby"]

	const transfers = 300
	if out := u.run("traffic", "", fmt.Sprintf("--transfers=%d", transfers)); !strings.Contains(out, "all is sent: ") || !strings.Contains(out, "the initiator was first with ") {
		t.Errorf("the traffic says:\n%s", out)
	}
	u.verified(conn, owner, transfers)
	u.podman("kill", u.name+owner)
	u.states([]string{standby}, "running, ready")
	u.verified(conn, standby, transfers)
}

// composedUp is the composition, as far as it is our own, on this machine.
type composedUp struct {
	t *testing.T
	composition
	dir    string // of its files, with other addresses
	name   string // that those of containers begin with
	moved  *strings.Replacer
	listen map[string]string // by service
}

// readable returns a directory of which another user can read what is there.
func readable(t *testing.T) string {
	dir, err := os.MkdirTemp("", "c")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// surroundings are the broker with its topic and the database with the bank, and where they are.
func (u *composedUp) surroundings() *pgx.Conn {
	broker := kafkatest.Chosen(u.t)
	topic, config := "", map[string]string{}
	command := u.Services["topic"].Command
	for i, word := range command {
		switch word {
		case "--topic":
			topic = command[i+1]
		case "--config":
			name, value, _ := strings.Cut(command[i+1], "=")
			config[name] = value
		}
	}
	if err := broker.CreateTopic(u.t.Context(), topic, 1, config); err != nil {
		u.t.Fatal(err)
	}
	server := pgtest.Private(u.t, pgtest.Options{TCP: true})
	conn := composedBank(u.t, u.composition, server)
	if err := server.RequirePasswords(u.t.Context()); err != nil {
		u.t.Fatal(err)
	}
	u.moved = strings.NewReplacer("kafka:9092", broker.Addr(kafkatest.Plain), "postgres:5432", fmt.Sprintf("127.0.0.1:%d", server.Port()))
	return conn
}

// arguments are those of podman run for a service.
func (u *composedUp) arguments(name string) []string {
	s := u.Services[name]
	args := []string{
		"--name", u.name + name, "--network", "host", "--pull", "never", "--no-healthcheck", "--cgroups=enabled",
		"--ulimit", "nofile=20000:20000", "--ulimit", "nproc=1024:1024", "--read-only-tmpfs=false", fmt.Sprintf("--read-only=%v", s.ReadOnly), "--user", s.User,
	}
	for _, c := range s.CapDrop {
		args = append(args, "--cap-drop", c)
	}
	for _, o := range s.Security {
		option, _, _ := strings.Cut(o, ":true")
		args = append(args, "--security-opt", option)
	}
	for _, variable := range slices.Sorted(maps.Keys(s.Env)) {
		args = append(args, "--env", variable+"="+s.Env[variable])
	}
	for _, place := range s.Tmpfs { // podman knows no owner of one: everybody may write there
		target, _, _ := strings.Cut(place, ":")
		args = append(args, "--tmpfs", target+":mode=1777")
	}
	for _, volume := range s.Volumes {
		source, target, _ := strings.Cut(volume, ":")
		args = append(args, "--volume", u.file(name, source)+":"+target)
	}
	for _, secret := range s.Secrets {
		args = append(args, "--volume", u.file(name, u.Secrets[secret].File)+":/run/secrets/"+secret+":ro")
	}
	return args
}

// file writes a file of the example, with the addresses of this machine in it, for a service, and returns where it is.
func (u *composedUp) file(service, name string) string {
	text := readExample(u.t, filepath.Join("compose", name))
	if !strings.HasSuffix(name, ".wasm") {
		text = u.moved.Replace(text)
	}
	if at := "listen: 0.0.0.0:9464"; strings.Contains(text, at) {
		if u.listen[service] == "" {
			address, err := hosttest.FreeAddress()
			if err != nil {
				u.t.Fatal(err)
			}
			u.listen[service] = address
		}
		text = strings.Replace(text, at, "listen: "+u.listen[service], 1)
	}
	file := filepath.Join(u.dir, service+"-"+filepath.Base(name))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		u.t.Fatal(err)
	}
	return file
}

// run runs a service, to its end unless it is detached, with further words of its command; it returns what it says.
func (u *composedUp) run(name string, more ...string) string {
	u.t.Helper()
	args := append([]string{"run"}, u.arguments(name)...)
	if len(more) > 0 && more[0] != "" {
		args = append(args, more[0])
	}
	args = append(args, "localhost/"+u.Services[name].Image)
	for _, word := range u.Services[name].Command {
		args = append(args, u.moved.Replace(word))
	}
	u.t.Cleanup(func() { _ = u.command(context.Background(), "rm", "--force", "--time", "1", u.name+name).Run() })
	return u.podman(append(args, more[min(1, len(more)):]...)...)
}

// podman runs one of its verbs, which must end well.
func (u *composedUp) podman(args ...string) string {
	u.t.Helper()
	out, err := u.command(u.t.Context(), args...).CombinedOutput()
	if err != nil {
		u.t.Fatalf("podman %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (u *composedUp) command(ctx context.Context, args ...string) *exec.Cmd {
	store := []string{"--storage-driver", "vfs", "--root", filepath.Join(*images, "root"), "--runroot", filepath.Join(*images, "run"), "--runtime", "runc"}
	return exec.CommandContext(ctx, "podman", append(store, args...)...)
}

// exec runs a command in a container, as docker compose exec does.
func (u *composedUp) exec(name string, command ...string) error {
	out, err := u.command(u.t.Context(), append([]string{"exec", u.name + name}, command...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (u *composedUp) logs(name string) string {
	out, err := u.command(u.t.Context(), "logs", u.name+name).CombinedOutput()
	return fmt.Sprintf("%s: %v\n%s", name, err, out)
}

// states waits until each of so many hosts says another of the words, as README.md has people ask; it returns who says what.
func (u *composedUp) states(hosts []string, words ...string) map[string]string {
	u.t.Helper()
	said, all := map[string]string{}, ""
	hosttest.Until(u.t, func() bool {
		clear(said)
		all = ""
		for _, name := range hosts {
			out, _ := u.command(u.t.Context(), "exec", u.name+name, "/ichor", "status", "-c", "/etc/ichor/ichor.yaml").CombinedOutput()
			first, _, _ := strings.Cut(string(out), "\n")
			all += name + " " + string(out)
			for _, word := range words {
				if strings.Contains(first, word) {
					said[word] = name
				}
			}
		}
		return len(said) == len(words)
	}, func() string { return fmt.Sprintf("the hosts say, instead of %q:\n%s", words, all) })
	return said
}

// verified has a host's own verb hold the database against the log, and looks at what the traffic moved.
func (u *composedUp) verified(conn *pgx.Conn, host string, transfers int) {
	u.t.Helper()
	var wrong error
	hosttest.Until(u.t, func() bool {
		wrong = u.exec(host, "/ichor", "verify", "--rest", "-c", "/etc/ichor/ichor.yaml")
		return wrong == nil
	}, func() string { return fmt.Sprintf("%v\n%s", wrong, u.logs(host)) })
	var accounts, newest, snapshot int
	err := conn.QueryRow(u.t.Context(), "select count(*), max(version), (select version from cohort_snapshot) from bank_accounts where version > 0").Scan(&accounts, &newest, &snapshot)
	if err != nil || accounts < transfers/2 || newest < transfers || newest > snapshot {
		u.t.Errorf("%d transfers touched %d accounts, the last of them in version %d, and the snapshot is %d (%v)", transfers, accounts, newest, snapshot, err)
	}
}
