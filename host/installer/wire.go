package installer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/ichor-replicator/ichor/host/crash"
	"github.com/ichor-replicator/ichor/host/talos"
)

// wire sends batches of prepared statements on a lane's connection and reads their answers, so that a
// second batch is on its way before the first is answered. The driver's own batch cannot do that, and
// its pipeline cannot be written while it is read. The lane writes; a goroutine reads, and only while
// there is a batch whose answer has not come: the connection is otherwise the lane's alone.
type wire struct {
	conn     *pgconn.PgConn
	deadline time.Duration // for one batch, from when it is the oldest
	batches  chan *Batch   // on their way, oldest first
	answers  chan *Batch   // in the same order
	closed   chan struct{} // the goroutine has ended
	buf      []byte
}

// onWire is how many batches may be on their way: one of each of two groups.
const onWire = 2

// bufferKept is how much of a buffer is kept for the next batch.
const bufferKept = 1 << 20

// Batch is what the server takes in one go, and what it answered. After an error it skips the rest.
type Batch struct {
	versions []talos.Version // whose the i-th statement is; 0 is the host's own
	rows     []int           // how many rows the i-th statement must change; AnyRows is not checked
	leading  int             // how many statements stand before the first of a version
	commits  bool            // the last statement is COMMIT

	// The answer, for whoever received the batch from wire.answers.
	done      int   // statements that succeeded
	err       error // of the statement after these, or of the connection
	committed bool  // the server confirmed the COMMIT
	wrong     error // a statement changed another number of rows than it must
	tally     tally
}

func newWire(conn *pgx.Conn, deadline time.Duration) *wire {
	w := &wire{
		conn: conn.PgConn(), deadline: deadline,
		batches: make(chan *Batch, onWire), answers: make(chan *Batch, onWire), closed: make(chan struct{}),
	}
	go w.read()
	return w
}

// parse makes the server know a statement by a name, when it comes to this place of the batch.
func (w *wire) parse(b *Batch, name, sql string, params []uint32) {
	w.encode(b, &pgproto3.Parse{Name: name, Query: sql, ParameterOIDs: params})
}

// forget makes the server forget the statement of a name; one that it does not know is no error.
func (w *wire) forget(b *Batch, name string) {
	w.encode(b, &pgproto3.Close{ObjectType: 'S', Name: name})
}

// exec adds a prepared statement to the batch that is being written.
func (w *wire) exec(b *Batch, v talos.Version, rows int, name string, args ...[]byte) {
	w.encode(b, &pgproto3.Bind{PreparedStatement: name, Parameters: args})
	w.encode(b, &pgproto3.Execute{})
	b.versions = append(b.versions, v)
	b.rows = append(b.rows, rows)
}

func (w *wire) encode(b *Batch, message pgproto3.FrontendMessage) {
	buf, err := message.Encode(w.buf)
	if err != nil {
		b.err = cmp.Or(b.err, fmt.Errorf("a statement does not fit into the protocol: %w", err))
		return
	}
	w.buf = buf
}

// send puts the batch on its way. What goes wrong is in its answer.
func (w *wire) send(b *Batch) {
	w.encode(b, &pgproto3.Sync{})
	buf := w.buf
	w.buf = buf[:0]
	if cap(buf) > bufferKept {
		w.buf = nil
	}
	broken, commits := b.err != nil, b.commits // the answer may be written once the reader has it
	if commits {
		crash.At("before-commit")
	}
	w.batches <- b
	if broken {
		return
	}
	// It is read meanwhile: a server that cannot write does not read.
	if _, err := w.conn.Conn().Write(buf); err != nil {
		_ = w.conn.Conn().Close() // the reader says that the connection is lost
	}
	if commits {
		crash.At("after-commit")
	}
}

// close waits for the reader to end. Nothing may be on its way, or the connection is of no more use.
func (w *wire) close(lost bool) {
	if lost {
		_ = w.conn.Conn().Close()
	}
	close(w.batches)
	<-w.closed
}

// read is the goroutine that answers the batches, each when the server is ready for the next.
func (w *wire) read() {
	defer close(w.closed)
	for b := range w.batches {
		if b.err == nil {
			_ = w.conn.Conn().SetDeadline(time.Now().Add(w.deadline)) // it fails for a closed connection only
			for w.next(b) {
			}
			_ = w.conn.Conn().SetDeadline(time.Time{})
			if b.committed {
				crash.At("answered")
			}
		}
		w.answers <- b
	}
}

// next takes one message; false after the last of the batch.
func (w *wire) next(b *Batch) bool {
	msg, err := w.conn.ReceiveMessage(context.Background())
	if err != nil {
		b.err = cmp.Or(b.err, err)
		return false
	}
	switch msg := msg.(type) {
	case *pgproto3.CommandComplete:
		if b.done == len(b.versions) {
			b.err = errors.New("the server answered more statements than it was sent")
			return false
		}
		b.completed(msg.CommandTag)
	case *pgproto3.ErrorResponse:
		b.err = cmp.Or(b.err, error(pgconn.ErrorResponseToPgError(msg)))
	case *pgproto3.ReadyForQuery:
		return false
	}
	return true
}

// completed counts a statement that succeeded.
func (b *Batch) completed(tag []byte) {
	v, want, affected := b.versions[b.done], b.rows[b.done], rowsAffected(tag)
	if want != AnyRows && b.wrong == nil && affected != int64(want) {
		b.wrong = &Error{Class: Poison, Code: codeRows, Culprit: v,
			Err: fmt.Errorf("a statement of version %d changed %d rows, and its template promises %d", v, affected, want)}
	}
	b.tally.add(v, affected)
	b.done++
	if b.commits && b.done == len(b.versions) {
		b.committed = string(tag) == "COMMIT"
	}
}

// rowsAffected reads the number at the end of a command's tag; 0 where there is none.
func rowsAffected(tag []byte) int64 {
	i := len(tag)
	for i > 0 && tag[i-1] >= '0' && tag[i-1] <= '9' {
		i--
	}
	n, _ := strconv.ParseInt(string(tag[i:]), 10, 64) // the empty text is 0
	return n
}
