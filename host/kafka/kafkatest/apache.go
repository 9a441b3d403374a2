package kafkatest

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"text/template"

	"github.com/twmb/franz-go/pkg/kadm"
)

//go:embed server.properties
var serverProperties string

// StartApache starts an Apache Kafka of its own directory and ports, with all three listeners.
// The first time on a machine it gets the jars with Maven, which takes up to a minute; else
// it takes 10 to 15 seconds. It returns a MissingError without Java or Maven.
func StartApache(ctx context.Context) (*Broker, error) {
	if err := needTools(); err != nil {
		return nil, err
	}
	libs, err := jars(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := newDirectory()
	if err != nil {
		return nil, err
	}
	a := &apache{libs: libs, dir: dir}
	b := &Broker{kind: "apache", server: a}
	if err := a.prepare(ctx, b); err != nil {
		return nil, errors.Join(err, a.remove())
	}
	if err := a.start(ctx); err != nil {
		return nil, errors.Join(err, a.halt(), a.remove())
	}
	return b, nil
}

// apache is a broker process.
type apache struct {
	libs, dir string
	ports     map[Listener]int
	broker    *Broker
	process   *process
}

// prepare writes the settings and formats the data directory.
func (a *apache) prepare(ctx context.Context, b *Broker) error {
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	a.broker, a.ports = b, map[Listener]int{Plain: ports[0], SASL: ports[1], TLS: ports[2]}
	certificate, err := newCertificate(a.dir)
	if err != nil {
		return err
	}
	b.authority = certificate.authority
	if err := a.writeSettings(ports[3], certificate); err != nil {
		return err
	}
	format := []string{"kafka.tools.StorageTool", "format", "-t", newClusterID(), "-c", a.settings()}
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		format = append(format, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, User, Password))
	}
	cmd, err := a.java(ctx, "format.log", format...)
	if err != nil {
		return err
	}
	if err := run(cmd); err != nil {
		return fmt.Errorf("format the broker's directory: %w\n%s", err, a.output("format.log"))
	}
	return nil
}

// newClusterID returns a random id as Kafka writes them: 16 bytes in base64 that do not begin with
// a dash, because the command that formats a directory takes such an id for an option.
func newClusterID() string {
	var id [16]byte
	rand.Read(id[:])
	id[0] &= 0x7f // the letters of base64 below 32; the dash is 62
	return base64.RawURLEncoding.EncodeToString(id[:])
}

func (a *apache) settings() string { return filepath.Join(a.dir, "server.properties") }

func (a *apache) writeSettings(controller int, c *certificate) error {
	var keystore []byte
	for _, file := range []string{c.key, c.chain, c.authority} {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		keystore = append(keystore, text...)
	}
	keystoreFile := filepath.Join(a.dir, "keystore.pem")
	if err := os.WriteFile(keystoreFile, keystore, 0o600); err != nil {
		return err
	}
	file, err := os.Create(a.settings())
	if err != nil {
		return err
	}
	settings := template.Must(template.New("server.properties").Parse(serverProperties))
	err = settings.Execute(file, map[string]any{
		"Plain": a.ports[Plain], "SASL": a.ports[SASL], "TLS": a.ports[TLS], "Controller": controller,
		"User": User, "Password": Password, "Keystore": keystoreFile,
		"Data": filepath.Join(a.dir, "data"), "LargestMessage": LargestMessage,
	})
	return errors.Join(err, file.Close())
}

// java returns a command of the broker's, whose output goes to a file in the directory.
func (a *apache) java(ctx context.Context, output string, args ...string) (*exec.Cmd, error) {
	file, err := os.OpenFile(filepath.Join(a.dir, output), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	args = append([]string{"-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(a.libs, "*")}, args...)
	cmd := exec.CommandContext(ctx, "java", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = a.dir, file, file
	return cmd, nil
}

// output returns the end of what a command wrote, to be put into an error.
func (a *apache) output(name string) []byte {
	const most = 8 << 10
	text, err := os.ReadFile(filepath.Join(a.dir, name))
	if err != nil {
		return []byte(err.Error())
	}
	return text[max(0, len(text)-most):]
}

// start starts the broker and returns when it answers.
func (a *apache) start(ctx context.Context) error {
	// The broker outlives the context of its start.
	cmd, err := a.java(context.WithoutCancel(ctx), "server.log", "kafka.Kafka", a.settings())
	if err != nil {
		return err
	}
	if a.process, err = startProcess(cmd); err != nil {
		return err
	}
	client, err := a.broker.newClient()
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	return until(ctx, func() (bool, error) {
		select {
		case <-a.process.done:
			return false, fmt.Errorf("the broker ended: %w\n%s", a.process.err, a.output("server.log"))
		default:
		}
		brokers, err := admin.ListBrokers(ctx)
		return err == nil && len(brokers) == 1, nil
	})
}

func (a *apache) halt() error {
	if a.process == nil {
		return nil
	}
	p := a.process
	a.process = nil
	return p.stop()
}

func (a *apache) remove() error { return os.RemoveAll(a.dir) }

func (a *apache) addr(l Listener) string {
	port, there := a.ports[l]
	if !there {
		return ""
	}
	return "127.0.0.1:" + strconv.Itoa(port)
}
