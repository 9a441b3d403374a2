package replicator

// breaker tells a database that refuses everything from versions that are poison each for itself:
// the same code for many versions in a row is no property of theirs.
type breaker struct {
	*step
	code     string
	run      int   // versions in a row
	failures int   // since it tripped
	until    int64 // nothing is installed before; 0 while it has not tripped
	failure  Failure
}

// trips takes a failure of a version that went alone; true when the version must not be held for
// it. First says that the version has not been held yet: one that is tried again counts once.
func (b *breaker) trips(f Failure, first bool) bool {
	if f.Kind != KindSQL {
		return false
	}
	if f.Code != b.code {
		*b = breaker{step: b.step, code: f.Code}
	}
	if b.run >= b.opts.PoisonBreaker {
		b.failures++
		b.until, b.failure = b.now+b.backoff(b.failures), f
		b.timers.add(b.until)
		return true
	}
	if first {
		b.run++
	}
	return false
}

// close begins anew after the database took something. It returns the code that it had refused
// everything with, and whether it had.
func (b *breaker) close() (code string, tripped bool) {
	code, tripped = b.code, b.until != 0
	*b = breaker{step: b.step}
	return code, tripped
}

// open reports whether the database refuses everything, so that nothing is tried for a while.
func (b *breaker) open() bool { return b.until > b.now }
