// Package rollout decides which generation of a guest converts what: it loads modules, keeps them in
// the database, begins with those that the history asks for, and watches the directory for new ones.
// Which version a new generation begins at is the core's decision.
package rollout
