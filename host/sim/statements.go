package sim

import "github.com/ichor-replicator/ichor/host/talos"

// The statements of versions: what a guest makes of a statemap.

// conversion is what a guest made of a version.
type conversion struct {
	candidate *candidate
	digest    int
}

// Bytes implements queue.Conversion.
func (c *conversion) Bytes() int { return c.candidate.size }

// write is the update of the i-th account that a version writes. Behind a guard it changes nothing when
// the account has this version or a later one.
func write(c *candidate, i int) statement {
	key := accountKey(c.writes[i])
	return statement{name: "update", version: c.version, about: [2]int64{key.id}, run: func(_ *batch, t *transaction) answer {
		w := t.backend.server.world
		if code := w.refuses(t.backend.server, c); code != "" {
			return fail(code)
		}
		row, found, a := update(t, key, func(a account) bool { return !w.setup.initiator || a.version < c.version })
		if a != done || !found {
			return a
		}
		read := uint64(0)
		for _, r := range c.reads {
			other, _ := get[account](t, accountKey(r))
			read += other.mixed
		}
		t.put(key, written(row, c, i, read))
		return done
	}}
}

// refuses returns the SQLSTATE with which a server refuses a version now, "" when it takes it.
func (w *world) refuses(s *server, c *candidate) string {
	switch {
	case s.refusing > w.now:
		return "42501"
	case c.refusal != "" && (c.forever || w.now < w.cured):
		return c.refusal
	}
	return ""
}

// enter is the insert into the table that has no key: once for each time that the version is installed.
func enter(v talos.Version, digest int) statement {
	return statement{name: "insert effect", version: v, about: [2]int64{int64(digest)}, run: func(_ *batch, t *transaction) answer {
		t.effects = append(t.effects, effect{v, digest})
		return done
	}}
}

// statementsOf returns what a version executes.
func statementsOf(batch []statement, c *candidate, digest int) []statement {
	for i := range c.writes {
		batch = append(batch, write(c, i))
	}
	return append(batch, enter(c.version, digest))
}
