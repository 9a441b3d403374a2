// Package pgtest runs private PostgreSQL servers: for tests, for the demonstration and for
// benchmarks. A server has its own folder, listens on a Unix socket in it, and ends with the
// process that started it, however that ends.
//
// The binaries are those of the folder that PG_BIN names, else of the newest installation
// below /usr/lib/postgresql, else downloaded once into the user's cache (PG_BIN=download asks
// for that at once, PG_BIN=download:14 for a major version; PG_MIRROR names another repository to
// download from). PostgreSQL refuses to run as root, so a root process runs it as the user nobody.
//
// In tests, New gives each call a fresh database on one server a process, which Main stops:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// NewProxy and NewPooler stand between a client and such a database: the one does what networks do
// to a connection, the other is a PgBouncer.
package pgtest
