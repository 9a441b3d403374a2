package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/host/hosttest"
)

// converter is a guest that converts as the others do and can be told from them in the database: it writes the
// first word of its SQL in its own way.
type converter struct {
	word   string
	digest string
	module []byte
}

// words are the ways to write it, of one length, so that they can be put in each other's place.
var words = []string{"update", "Update", "UPDATE"}

// noteFunction writes down which words changed a row to which version: how often, and by which guest.
const noteFunction = "note_converter"

var noteSQL = `
create table converted (version bigint not null, number text not null, word text not null);
create function ` + noteFunction + `() returns trigger language plpgsql as
	'begin insert into public.converted values (new.version, new.number, left(current_query(), 6)); return null; end';
create trigger converted after update on bank_accounts for each row when (new.version is distinct from old.version)
	execute function ` + noteFunction + `();`

// noteConverters makes the guests that come in turn, and has the database note which of them converts what.
func (w *world) noteConverters(ctx context.Context) error {
	module, err := os.ReadFile(w.stage.Guests.File())
	if err != nil {
		return err
	}
	const table = " bank_accounts"
	if !bytes.Contains(module, []byte(words[0]+table)) {
		return fmt.Errorf("%s has no %q that could be written otherwise", w.stage.Guests.File(), words[0]+table)
	}
	for i := len(words) - 1; i >= 0; i-- { // the first lies there in the end
		c := converter{word: words[i], module: bytes.ReplaceAll(module, []byte(words[0]+table), []byte(words[i]+table))}
		if c.digest, err = w.stage.Guests.PlaceOther(c.module); err != nil {
			return err
		}
		w.swaps = append([]converter{c}, w.swaps...)
	}
	return w.exec(ctx, noteSQL)
}

// converted checks that each version was converted by the guest that the history names for it, and changed each
// row once. Where the cohort's initiator installs too, nobody knows whose the change is.
func (w *world) converted(ctx context.Context) error {
	if w.options.Guard {
		return nil
	}
	conn, err := pgx.Connect(ctx, w.server.URL(database))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	var byDigest, digests []string
	for _, c := range slices.Concat(w.swaps, w.fresh) {
		byDigest, digests = append(byDigest, c.word), append(digests, c.digest)
	}
	var others, doubled []int64
	err = conn.QueryRow(ctx, `with named as (
			select c.*, (select h.digest from ichor.guest_history h where h.name = $1 and (h.from_version <= c.version and not h.only_version or h.from_version = c.version)
				order by h.only_version desc, h.from_version desc limit 1) as digest from converted c)
		select array(select distinct version from named where word is distinct from ($2::text[])[array_position($3::text[], digest)] order by version),
			array(select distinct version from (select version from converted group by version, number having count(*) > 1) d order by version)`,
		stage.Banking, byDigest, digests).Scan(&others, &doubled)
	if err != nil {
		return err
	}
	if len(others)+len(doubled) > 0 {
		return violated("versions %v were converted by other guests than the history names, and %v changed a row more than once", others, doubled)
	}
	return nil
}

// swap puts the next guest in the place of the one that lies there. The one that converts would be no swap, and one that
// was taken back is passed over by a host that does not see it come: where only such are left there comes a new one.
func (w *world) swap() error {
	ctx := context.Background()
	var unfit []string
	err := w.query(ctx, &unfit, `select array(select digest from ichor.guest_event where state = 'gone') ||
		array(select digest from ichor.guest_history where not only_version order by from_version desc limit 1)`)
	if err != nil {
		return err
	}
	unfit = append(unfit, w.converting(ctx))
	for range w.swaps {
		w.turn = (w.turn + 1) % len(w.swaps)
		if w.lies = w.swaps[w.turn]; !slices.Contains(unfit, w.lies.digest) {
			_, err := w.stage.Guests.PlaceOther(w.lies.module)
			return err
		}
	}
	w.lies = w.newGuest(ctx)
	_, err = w.stage.Guests.PlaceOther(w.lies.module)
	return err
}

// swapEvery is how long a guest lies there while guests are swapped again and again.
const swapEvery = 200 * time.Millisecond

// swapTwice swaps, and again when the host has taken that.
func (w *world) swapTwice() error {
	ctx := context.Background()
	err := w.swap()
	if err == nil {
		err = w.takes(ctx)
	}
	if err != nil {
		return err
	}
	return w.swap()
}

// takes waits until the host converts by the guest that lies there, or was killed.
func (w *world) takes(ctx context.Context) error { return w.takesThat(ctx, w.lies.digest) }

// takesThat waits until the host converts by a guest, or was killed.
func (w *world) takesThat(ctx context.Context, digest string) error {
	for begun := time.Now(); ; {
		if w.converting(ctx) == digest || w.host.Killed() {
			return nil
		}
		if time.Since(begun) > w.options.Patience {
			return violated("it has not taken the guest %.12s for %v; %s; its log ends:\n%s", digest, w.options.Patience, w.guests(ctx), w.host.Tail())
		}
		if err := hosttest.Sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// converting returns the digest of the guest by which the host converts; empty while it does not say.
func (w *world) converting(ctx context.Context) (digest string) {
	var said struct {
		Guests []struct {
			Digest string
			From   uint64
		}
	}
	if w.host.Ask(ctx, "/v1/status", &said) != nil {
		return ""
	}
	from := uint64(1)
	for _, g := range said.Guests { // others may still be busy, or be ready to be taken back to
		if g.From >= from {
			digest, from = g.Digest, g.From
		}
	}
	return digest
}

// swapFaults are the faults of guests that are swapped.
var swapFaults = []fault{
	{"swapped every 200 ms", 2, nil, false, swapAgainAndAgain},
	{"swapped and killed", 3, starts, false, swapAndKill},
	{"swapped, killed, and one that stands by goes on", 2, starts, false, swapAndTakeOver},
	{"a refused file, and killed", 1, starts, false, refuseAndKill},
	{"a refused file, killed, and one that stands by goes on", 1, starts, false, refuseAndTakeOver},
	{"a slow load, killed, and one that stands by goes on", 1, starts, false, loadSlowly},
}

// swapAgainAndAgain swaps for some seconds, whether or not the host is done with the one before, which it must be
// with the last.
func swapAgainAndAgain(ctx context.Context, w *world) error {
	for range 5 + w.random.IntN(10) {
		if err := errors.Join(w.swap(), hosttest.Sleep(ctx, swapEvery)); err != nil {
			return err
		}
	}
	return w.takes(ctx)
}

func swapAndKill(ctx context.Context, w *world) error {
	for range 1 + w.random.IntN(3) {
		if err := errors.Join(w.swap(), w.some(ctx, time.Second)); err != nil {
			return err
		}
	}
	return w.host.KillAndStart()
}

// swapAndTakeOver kills the owner while it swaps; the host that stands by sees the same directory.
func swapAndTakeOver(ctx context.Context, w *world) error {
	killed := w.host
	other, err := w.second(ctx)
	if err != nil {
		return errors.Join(err, w.dismiss(other))
	}
	w.host = other
	if err := errors.Join(w.swap(), w.some(ctx, time.Second)); err != nil {
		return err
	}
	w.over = time.Now()
	killed.Kill()
	w.ready.forget(killed.Address)
	return errors.Join(w.becomes(ctx, other, owns), w.takes(ctx))
}

// refuseAndKill leaves a file that is no module while the host runs, and when it starts; in the end a good one takes
// its place.
func refuseAndKill(ctx context.Context, w *world) error {
	if _, err := w.stage.Guests.PlaceOther([]byte("no module")); err != nil {
		return err
	}
	if err := errors.Join(w.some(ctx, time.Second), w.host.KillAndStart(), w.becomes(ctx, w.host, owns), w.swap()); err != nil {
		return err
	}
	return w.takes(ctx)
}

// guests says what lies there, by what the host converts, and what was written down of guests last.
func (w *world) guests(ctx context.Context) string {
	var events string
	err := w.query(ctx, &events, `select coalesce(string_agg(format('%s %s %s %s from %s by %s: %s', id, at, state, left(digest, 12), from_version, who, reason), E'\n' order by id), '')
		from (select * from ichor.guest_event order by id desc limit 20) e`)
	if err != nil {
		events = err.Error()
	}
	module, err := os.ReadFile(w.stage.Guests.File())
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%.12x lies there, it converts by %.12s, and of guests was written down last\n%s", sha256.Sum256(module), w.converting(ctx), events)
}
