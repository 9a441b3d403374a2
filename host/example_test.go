package host_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/examples/banking"
	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/timing"
)

// observer hands on the journeys of versions that the snapshot has passed. The host must not wait
// for it, so there is room for all that this example has.
type observer chan *timing.Journey

func (o observer) Observe(j *timing.Journey) { o <- j }

// A program that embeds a host gives it options, a logger and a registry for its metrics, and runs it
// until its context ends. An Observer is told of each version in its order.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	around, err := openCohort(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer around.close()

	seen := make(observer, 10)
	options := host.Options{Observer: seen}
	options.Source.Brokers, options.Source.Topic = []string{around.broker.Addr(kafkatest.Plain)}, topic
	options.Database.URL, options.Database.Init = around.url, true
	options.Guests.Directory = around.directory
	options.Guests.Routes = []rollout.Route{{Cohort: "*", Guest: "banking"}}
	h, err := host.New(options, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()

	for range 2 {
		j := <-seen
		_, converted := j.Get(timing.GuestConversionComplete)
		_, installed := j.Get(timing.InstallerStatemapInstallationComplete)
		fmt.Printf("version %v: converted %v, installed %v\n", j.Version, converted, installed)
	}
	stop() // as SIGTERM does: what is in flight ends
	fmt.Println("ended with", <-ended)
	// Output:
	// version 1: converted true, installed true
	// version 3: converted false, installed false
	// ended with <nil>
}

// cohort is what a host needs around it: a broker with a candidate that was committed and one that was
// aborted, a database with the bank, a directory with the guest.
type cohort struct {
	broker    *kafkatest.Broker
	server    *pgtest.Server
	url       string
	directory string
}

func openCohort(ctx context.Context) (c *cohort, err error) {
	c = &cohort{}
	if c.broker, err = kafkatest.StartEmbedded(kafkatest.EmbeddedOptions{}); err != nil {
		return nil, err
	}
	if err = c.broker.CreateTopic(ctx, topic, 1, nil); err == nil {
		_, err = c.broker.Produce(ctx, topic, kafkatest.Uncompressed, message("Other", "no version has position 0"),
			candidate(1, "0001", deposit("0001", 5)), commit(1, 0), candidate(2, "0001", deposit("0001", 7)), abort(3))
	}
	if err == nil {
		c.server, err = pgtest.Start(ctx, pgtest.Options{})
	}
	if err == nil {
		c.url, err = c.server.CreateDatabase(ctx, "bank")
	}
	if err == nil {
		err = c.furnish(ctx)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// furnish opens the bank, and puts the guest where the host looks for it.
func (c *cohort) furnish(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.url)
	if err != nil {
		return err
	}
	if err = errors.Join(banking.Open(ctx, conn, banking.AccountNumbers(1), 100), conn.Close(ctx)); err != nil {
		return err
	}
	module, err := os.ReadFile("../examples/banking/guest/banking-c.wasm")
	if err != nil {
		return err
	}
	if c.directory, err = os.MkdirTemp("", "ichor-example-"); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.directory, "banking.wasm"), module, 0o600)
}

func (c *cohort) close() {
	if c.server != nil {
		_ = c.server.Close() // it is the example's own
	}
	_ = c.broker.Stop()
	_ = os.RemoveAll(c.directory)
}
