// Package stage is what the demonstration and the benchmarks run a host on: a broker in this
// process that the host talks to over TCP, a PostgreSQL of its own that syncs its commits, cohorts in it,
// a directory of guests, and hosts as processes of their own.
package stage

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

// Options say what a stage is made of.
type Options struct {
	Name  string   // of the program, for the name of the directory
	Ichor string   // a binary of the host; Build builds one when it is empty
	Tags  []string // with these build tags
	// Brokers are addresses of a broker that runs by itself; without any the stage starts one in this process.
	Brokers []string
	Example string // whose guest it is; Banking when it is empty
	Guest   string // a guest's module; Build builds the example's in Go when it is empty
	Keep    bool   // Close leaves the directory, with the database in it
}

// Stage is a directory, a broker, a database server and guests. Its methods are for one goroutine
// at a time; what its fields point to says so itself.
type Stage struct {
	Dir      string
	Root     string            // of the repository
	Broker   *kafkatest.Broker // nil when Options.Brokers says where one is
	Postgres *pgtest.Server
	Guests   *Guests // nil before Build

	options Options
	ichor   string // the host's binary
}

// Open starts the broker and the database. Close ends what was started; after an error of Open
// that is done already.
func Open(ctx context.Context, options Options) (*Stage, error) {
	options.Example = cmp.Or(options.Example, Banking)
	s := &Stage{options: options, ichor: options.Ichor}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stage) open(ctx context.Context) (err error) {
	if s.Root, err = hosttest.Repository(ctx); err != nil {
		return err
	}
	if s.Dir, err = os.MkdirTemp("", "ichor-"+s.options.Name+"-"); err != nil {
		return err
	}
	if err = os.Chmod(s.Dir, 0o755); err != nil { // the database may run as another user
		return err
	}
	if err = os.Mkdir(s.guests(), 0o755); err != nil {
		return err
	}
	if len(s.options.Brokers) == 0 {
		if s.Broker, err = kafkatest.StartEmbedded(kafkatest.EmbeddedOptions{DataDir: s.Path("log")}); err != nil {
			return err
		}
	}
	s.Postgres, err = pgtest.Start(ctx, pgtest.Options{Dir: s.Path("db"), Keep: s.options.Keep})
	return err
}

// Build builds the host and the guest unless the options name them, which takes minutes the first
// time, and places the guest.
func (s *Stage) Build(ctx context.Context) error {
	if s.ichor == "" {
		s.ichor = s.Path("ichor")
		if err := hosttest.Build(ctx, s.Root, s.ichor, s.options.Tags...); err != nil {
			return err
		}
	}
	module := s.options.Guest
	if module == "" {
		module = s.Path("guest.wasm")
		if err := guesttest.BuildExample(ctx, s.Root, s.options.Example, module); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(module)
	if err != nil {
		return err
	}
	s.Guests = &Guests{Name: s.options.Example, dir: s.guests(), module: text}
	_, err = s.Guests.Place()
	return err
}

// Path returns the path of a file of the stage.
func (s *Stage) Path(name string) string { return filepath.Join(s.Dir, name) }

func (s *Stage) guests() string { return s.Path("guests") }

// Brokers returns the addresses at which the broker listens without encryption.
func (s *Stage) Brokers() []string {
	if s.Broker == nil {
		return s.options.Brokers
	}
	return []string{s.Broker.Addr(kafkatest.Plain)}
}

// Close stops what runs and removes the directory, unless it is to be kept. Hosts are stopped
// before by who started them.
func (s *Stage) Close() error {
	var errs []error
	if s.Postgres != nil {
		errs = append(errs, s.Postgres.Close())
	}
	if s.Broker != nil {
		errs = append(errs, s.Broker.Stop())
	}
	if s.Dir != "" && !s.options.Keep {
		errs = append(errs, os.RemoveAll(s.Dir))
	}
	return errors.Join(errs...)
}
