package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// distance is a way to the database on which every byte takes a while, in both directions: what is
// sent meanwhile is under way at the same time, as on a long cable.
type distance struct {
	listener         net.Listener
	network, address string        // of the server
	delay            time.Duration // each way

	mu    sync.Mutex
	conns map[net.Conn]bool
	wait  sync.WaitGroup
}

// newDistance begins to listen. roundTrip is what the way adds to a question and its answer.
func newDistance(serverURL string, roundTrip time.Duration) (*distance, error) {
	config, err := pgconn.ParseConfig(serverURL)
	if err != nil {
		return nil, err
	}
	d := &distance{delay: roundTrip / 2, conns: map[net.Conn]bool{}}
	d.network, d.address = pgconn.NetworkAddress(config.Host, config.Port)
	if d.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	d.wait.Go(d.accept)
	return d, nil
}

// url returns the address of a database at the end of the way.
func (d *distance) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: d.listener.Addr().String(), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// close ends the way and every connection on it.
func (d *distance) close() error {
	err := d.listener.Close()
	d.mu.Lock()
	for c := range d.conns {
		_ = c.Close() // a second close says nothing new
	}
	d.conns = nil
	d.mu.Unlock()
	d.wait.Wait()
	return err
}

func (d *distance) accept() {
	for {
		client, err := d.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(context.Background(), d.network, d.address)
		if err != nil {
			_ = client.Close() // that is what the client is told
			continue
		}
		if !d.keep(client, server) {
			return
		}
		d.wait.Go(func() { d.carry(client, server) })
		d.wait.Go(func() { d.carry(server, client) })
	}
}

// keep notes the connections that close must end; false when it was called already.
func (d *distance) keep(conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range conns {
		if d.conns == nil {
			_ = c.Close()
			continue
		}
		d.conns[c] = true
	}
	return d.conns != nil
}

// parcel is what was read at once, and when it arrives.
type parcel struct {
	bytes []byte
	due   time.Time
}

// carry takes what one end says to the other, and ends both when either has ended.
func (d *distance) carry(from, to net.Conn) {
	parcels := make(chan parcel, 1<<12)
	d.wait.Go(func() {
		for p := range parcels {
			sleep(time.Until(p.due))
			if _, err := to.Write(p.bytes); err != nil {
				break
			}
		}
		_, _ = from.Close(), to.Close() // a second close says nothing new
		for range parcels {
		}
	})
	defer close(parcels)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			parcels <- parcel{append([]byte(nil), buf[:n]...), time.Now().Add(d.delay)}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				_ = from.Close() // it is of no more use
			}
			return
		}
	}
}

// roundTrip measures what a question and its answer take on the way to a database.
func roundTrip(ctx context.Context, address string) (time.Duration, error) {
	conn, err := pgconn.Connect(ctx, address)
	if err != nil {
		return 0, err
	}
	var all []float64
	for range 101 {
		begun := time.Now()
		if err := conn.Ping(ctx); err != nil {
			return 0, errors.Join(fmt.Errorf("measure the way to the database: %w", err), conn.Close(ctx))
		}
		all = append(all, time.Since(begun).Seconds())
	}
	return time.Duration(median(all) * float64(time.Second)), conn.Close(ctx)
}
