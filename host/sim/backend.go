package sim

import "github.com/ichor-replicator/ichor/host/talos"

// backend is a server's process for one connection. It takes the statements that it has received one by
// one, whether its client is there or not.
type backend struct {
	server *server
	pid    int
	lane   bool         // of a host's lane: a take-over may end it
	queue  []*batch     // received and not executed
	open   *transaction // nil between transactions
	block  bool         // the open transaction ends by a COMMIT; else each statement is its own

	waits    bool // for a lock
	waiting  rowKey
	since    int64 // ns
	lockWait int64 // ns that a statement waits for a lock

	gone   bool // the client is
	deaf   bool // and the server does not know
	fatal  bool // the client is told that the backend was ended
	dead   bool
	sleeps int64  // does nothing until then, ns
	inject string // the SQLSTATE with which the next statement fails
}

// batch is statements up to a Sync: after one that fails the rest is not executed. The client reads the
// answer when the batch is over.
type batch struct {
	statements []statement // that are left
	lockWait   int64       // ns
	commits    bool        // the last is COMMIT
	over       bool
	code       string        // the SQLSTATE of the failure; "" for none
	culprit    talos.Version // whose statement failed; 0 for the host's own
	own        bool          // the statement that failed stands before the first of a version
	tag        bool          // the COMMIT was confirmed
	state      stateRow      // what the statements read
	count      int64
	claim      claim  // that they made
	of         rowKey // whose claim that is
}

// statement is one that a backend executes. It may be run again after it waited for a lock.
type statement struct {
	name    string
	version talos.Version // whose it is; 0 is the host's own
	own     bool          // of the host's, before the first of a version
	fence   fence         // while exploring, what it compares with the fence, or writes there
	about   [2]int64      // and what else tells it from another of that name
	run     func(b *batch, t *transaction) answer
}

// answer is what became of a statement.
type answer struct {
	waits bool
	code  string // the SQLSTATE of a failure
}

var (
	done = answer{}
	wait = answer{waits: true}
)

func fail(code string) answer { return answer{code: code} }

// connect begins a backend.
func (s *server) connect(lane bool) *backend {
	s.pids++
	b := &backend{server: s, pid: s.pids, lane: lane}
	s.backends = append(s.backends, b)
	return b
}

// send puts a batch on the wire. Its statements wait so long (ns) for a lock.
func (b *backend) send(lockWait int64, statements ...statement) *batch {
	x := &batch{statements: statements, lockWait: lockWait, commits: statements[len(statements)-1].name == "commit"}
	if !b.dead && !b.gone {
		b.queue = append(b.queue, x)
	}
	return x
}

// lost reports whether the client has lost the connection.
func (b *backend) lost() bool { return b.dead || b.gone }

// ready reports whether the backend can do something now.
func (b *backend) ready(now int64) bool {
	switch {
	case b.dead || b.sleeps > now:
		return false
	case b.waits && b.server.locks[b.waiting] != nil && b.server.locks[b.waiting] != b.open:
		return now >= b.since+b.lockWait
	}
	return len(b.queue) > 0 || b.gone && !b.deaf
}

// step executes the next statement, as far as it gets.
func (b *backend) step(now int64) {
	if len(b.queue) == 0 { // nothing more will come from a client that is gone
		b.end()
		return
	}
	x := b.queue[0]
	next := x.statements[0]
	if b.open == nil {
		b.open = &transaction{backend: b, seen: len(b.server.commits), begun: now}
	}
	if b.inject != "" {
		code := b.inject
		b.inject = ""
		b.failed(x, next, code)
		return
	}
	b.lockWait = x.lockWait
	if b.waits && b.server.locks[b.waiting] != nil && now >= b.since+b.lockWait {
		b.server.world.met("lock waited for too long")
		b.failed(x, next, "55P03")
		return
	}
	waited := b.waits
	b.waits = false
	switch a := next.run(x, b.open); {
	case a.waits && b.deadlocked():
		b.server.world.met("deadlock")
		b.failed(x, next, "40P01")
	case a.waits:
		if !waited {
			b.since = now
		}
	case a.code != "":
		b.failed(x, next, a.code)
	default:
		b.executed(x)
	}
}

// executed ends a statement that did what it should.
func (b *backend) executed(x *batch) {
	if x.statements = x.statements[1:]; len(x.statements) == 0 {
		x.over, b.queue = true, b.queue[1:]
	}
	if b.open != nil && !b.block {
		t := b.open
		b.open = nil
		t.commit()
	}
}

// failed ends the transaction, and what stands behind the statement in its batch is not executed.
func (b *backend) failed(x *batch, s statement, code string) {
	x.code, x.culprit, x.own = code, s.version, s.own
	x.over, x.statements, b.queue = true, nil, b.queue[1:]
	b.rollback()
}

func (b *backend) rollback() {
	if b.open != nil {
		b.open.release()
	}
	b.open, b.block, b.waits = nil, false, false
}

// end ends the backend: what it has not committed never was.
func (b *backend) end() {
	b.rollback()
	b.queue, b.dead = nil, true
	s := b.server
	for i := range s.backends {
		if s.backends[i] == b {
			s.backends = append(s.backends[:i:i], s.backends[i+1:]...)
			return
		}
	}
}

// received returns how many statements are left.
func (b *backend) received() (n int) {
	for _, x := range b.queue {
		n += len(x.statements)
	}
	return n
}

// cut takes the client away. Of what it has sent the server has received all but the last statements.
func (b *backend) cut(lost int, deaf bool) {
	if b.dead {
		return
	}
	b.gone, b.deaf = true, deaf
	for ; lost > 0 && len(b.queue) > 0; lost-- {
		last := b.queue[len(b.queue)-1]
		if last.statements = last.statements[:len(last.statements)-1]; len(last.statements) == 0 {
			b.queue = b.queue[:len(b.queue)-1]
		}
	}
	if len(b.queue) == 0 && !deaf {
		b.end()
	}
}

// terminate ends the backend as an administrator does. Its client is told so, also when the COMMIT was
// executed and not yet confirmed.
func (b *backend) terminate() {
	b.fatal = true
	b.end()
}

// sqlBegin begins a transaction that COMMIT ends.
func sqlBegin(repeatable bool) statement {
	return statement{name: "begin", own: true, run: func(_ *batch, t *transaction) answer {
		t.backend.block, t.repeatable = true, repeatable
		return done
	}}
}

func sqlCommit() statement {
	return statement{name: "commit", run: func(x *batch, t *transaction) answer {
		t.backend.open, t.backend.block, x.tag = nil, false, true
		t.commit()
		return done
	}}
}
