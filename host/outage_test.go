package host_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/status"
)

// frost stands between a broker and its clients: while it lasts no answer comes through, and no connection ends.
type frost struct {
	mu   sync.Mutex
	thaw chan struct{} // nil: there is none
}

// turn begins or ends it.
func (f *frost) turn(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.thaw != nil {
		close(f.thaw)
		f.thaw = nil
	}
	if on {
		f.thaw = make(chan struct{})
	}
}

func (f *frost) wait() {
	f.mu.Lock()
	thaw := f.thaw
	f.mu.Unlock()
	if thaw != nil {
		<-thaw
	}
}

type frosted struct {
	net.Conn
	frost *frost
}

// Write implements net.Conn.
func (c frosted) Write(b []byte) (int, error) {
	c.frost.wait()
	return c.Conn.Write(b)
}

// outage is what an owner that was idle goes through.
type outage struct {
	name       string
	begin, end func(b *bank, p *pgtest.Proxy, f *frost) error
	reason     status.Reason
	meanwhile  bool // versions come
}

func outages() []outage {
	turn := func(w pgtest.Weather) func(*bank, *pgtest.Proxy, *frost) error {
		return func(_ *bank, p *pgtest.Proxy, _ *frost) error { p.Turn(w); return nil }
	}
	freeze := func(on bool) func(*bank, *pgtest.Proxy, *frost) error {
		return func(_ *bank, _ *pgtest.Proxy, f *frost) error { f.turn(on); return nil }
	}
	return []outage{
		{"a broker that is away", func(b *bank, _ *pgtest.Proxy, _ *frost) error { return b.broker.Halt() },
			func(b *bank, _ *pgtest.Proxy, _ *frost) error { return b.broker.Resume(b.t.Context()) }, status.SourceUnavailable, false},
		{"a broker that is frozen", freeze(true), freeze(false), status.SourceUnavailable, false},
		{"a database that refuses", turn(pgtest.Refused), turn(pgtest.Fair), status.DatabaseUnavailable, true},
		{"a database that is silent", turn(pgtest.Silent), turn(pgtest.Fair), status.DatabaseUnavailable, false},
	}
}

// An owner says within five seconds what is away, also when it is idle; and whatever else happens because of that, an
// operator reads one line when it begins and one when it ends.
func TestAnOutageIsSaidSoonAndInTwoLines(t *testing.T) {
	for _, o := range outages() {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel() // it waits, and little else
			f := &frost{}
			broker, err := kafkatest.StartEmbedded(kafkatest.EmbeddedOptions{Wrap: func(c net.Conn) net.Conn { return frosted{c, f} }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				f.turn(false)
				if err := broker.Stop(); err != nil {
					t.Error(err)
				}
			})
			b := newBankOn(t, broker, 5)
			proxy := b.behind()
			b.options.Core.Lanes, b.options.Database.ConnectTimeout, b.options.Source.BackoffMax = 4, time.Second, 100*time.Millisecond
			r := b.start()
			last := b.traffic(10, 5)
			r.shows("/metrics", fmt.Sprintf("\nichor_snapshot %d\n", last)) // it has its answer: what has none is being installed, and not away
			r.becomes("")
			before := len(b.log.text())
			if err := o.begin(b, proxy, f); err != nil {
				t.Fatal(err)
			}
			if o.meanwhile {
				last = b.traffic(10, 5)
			}
			r.becomes(o.reason)
			hosttest.Until(t, func() bool { return strings.Contains(b.log.text()[before:], "no progress") }, b.log.text) // an idle host looks once a second
			if err := o.end(b, proxy, f); err != nil {
				t.Fatal(err)
			}
			r.becomes("")
			hosttest.Until(t, func() bool { return strings.Contains(b.log.text()[before:], "progress goes on") }, b.log.text)
			if !o.meanwhile {
				last = b.traffic(10, 5)
			}
			b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
			if err := r.drain(); err != nil { // what waits to be a line of its own becomes one
				t.Error(err)
			}
			lines := strings.Split(strings.TrimSpace(b.log.text()[before:]), "\n")
			if len(lines) != 5 || !strings.Contains(lines[0], `level=WARN msg="no progress" reason=`+string(o.reason)) || !strings.Contains(lines[1], `level=INFO msg="progress goes on"`) ||
				!strings.Contains(lines[2], "draining") || !strings.Contains(lines[3], "msg=ended") {
				t.Errorf("want one line when the outage begins, one when it ends, and those of the end:\n%s", strings.Join(lines, "\n"))
			}
		})
	}
}
