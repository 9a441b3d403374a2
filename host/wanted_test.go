package host_test

import (
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/replicator"
)

// newestDigest is what the history names last.
const newestDigest = "select digest from ichor.guest_history where not only_version order by from_version desc limit 1"

// rolledBack starts a host, swaps a module in by its file, which stays there, and goes back to the one before.
func (b *bank) rolledBack() (r *running, next []byte) {
	b.t.Helper()
	r = b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	next = stamped(guesttest.Small(b.t), 1)
	b.install("banking", next)
	b.converts(guest.DigestOf(next).String())
	b.reaches(b.pay(5, "0001", "0002"))
	b.exec("insert into ichor.request (verb, guest, who, reason) values ('swap', 'banking', 'test', 'it is wrong')")
	b.eventually("(done)", "select outcome from ichor.request")
	b.reaches(b.pay(5, "0001", "0002"))
	return r, next
}

// A file that was rolled back and that lies there still does not convert again by a start. When a host saw it come anew and
// was killed while it checked it, the next host takes it, as that one would have.
func TestAFileThatCameAnewIsTakenByTheNextHost(t *testing.T) {
	b := newBank(t, 10)
	r, next := b.rolledBack()
	old, again := guest.DigestOf(guesttest.Small(t)).String(), guest.DigestOf(next).String()
	for range 2 {
		r.stopsWell()
		r = b.start()
		b.reaches(b.pay(5, "0001", "0002"))
		b.eventually("("+old+")", newestDigest)
	}
	r.stopsWell()
	b.exec("insert into ichor.guest_event (guest, digest, state, who) values ('banking', '" + again + "', 'received', 'the file')")
	r = b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+again+")", newestDigest)
	r.stopsWell()
	b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+again+")", newestDigest)
}

// A module that was to convert and has converted nothing yet goes on in the next host, when that begins beside a file that
// is refused: a refused file changes nothing.
func TestBesideARefusedFileGoesOnWhatWasWanted(t *testing.T) {
	b := newBank(t, 10)
	b.takesChanges()
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	next := stamped(guesttest.Small(t), 1)
	r.uploads(next, 200, `"outcome":"done`)
	r.stopsWell()
	b.install("banking", []byte("no module"))
	b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+guest.DigestOf(next).String()+")", newestDigest)
}

// A module that an operator sent and that was taken back does not convert again, where the host was killed before that was
// written down: the history has what it converted, and another after it.
func TestWhatWasTakenBackStaysSoWithoutItsEvent(t *testing.T) {
	b := newBank(t, 10)
	b.takesChanges()
	b.options.Core.Probation = replicator.Probation{Versions: 100, Rejects: 2}
	r := b.start()
	b.reaches(b.pay(20, "0001", "0002"))
	old, worse := guest.DigestOf(guesttest.Small(t)).String(), guest.DigestOf(guesttest.Changed(t)).String()
	r.uploads(guesttest.Changed(t), 200, `"outcome":"done`)
	b.reaches(b.pay(20, "0001", "0002"))
	b.reaches(b.pay(6, "0005", "0006"))
	b.eventually("("+old+")", "select digest from ichor.guest_event where state = 'back'")
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+old+")", newestDigest)
	r.stopsWell()
	b.exec("delete from ichor.guest_event where state in ('back', 'gone')")
	b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+old+")", newestDigest)
	b.eventually("(1)", "select count(*) from ichor.guest_history where digest = $1 and not only_version", worse)
}
