-- Everything here may be run again: it creates what is missing and changes nothing that is there. On the schema of
-- a newer Ichor it changes nothing at all.
begin;
create schema if not exists ichor;

-- One row: which Ichor made the schema. A host runs on a newer one as long as its own version is not below
-- usable_from.
create table if not exists ichor.schema (
	id boolean primary key default true check (id),
	version integer not null,
	usable_from integer not null,
	changed_at timestamptz not null default now()
);

do $$ begin
	if exists (select from ichor.schema where version > 1) then
		raise exception using errcode = 'IC007',
			message = format('schema ichor has version %s, and this Ichor makes version 1', (select version from ichor.schema));
	end if;
end $$;

-- One row: who owns the cohort, and how far its log is installed. It is written in the same
-- transaction as the rows it speaks of.
create table if not exists ichor.state (
	id boolean primary key default true check (id),
	epoch bigint not null default 0,           -- rises when a host takes over
	token bigint not null default 0,           -- random: two copies of a database may have one epoch
	claim bigint not null default 0,           -- rises when a lane must know what became of a frontier group
	owner text not null default '',
	snapshot bigint not null,
	resume bigint,                             -- null until the first commit: see cohort_snapshot
	anchor_position bigint not null default -1,
	anchor_hash bigint not null default 0,
	cluster text not null default '',
	topic text not null default '',
	changed_at timestamptz not null default now()
) with (fillfactor = 50);

create table if not exists ichor.lane (
	lane integer primary key,
	epoch bigint not null,
	token bigint not null default 0,           -- the state's
	claim bigint not null default 0            -- rises with each connection: an earlier one cannot commit any more
) with (fillfactor = 50);

-- Whether the owner lives. It has a row of its own, so that no transaction of a group holds a beat up.
create table if not exists ichor.beat (
	id boolean primary key default true check (id),
	epoch bigint not null,
	token bigint not null,
	beats bigint not null default 0,           -- rises while the owner lives
	backend integer,                           -- the session that beats, by its process and its start
	backend_since bigint,                      -- us since the Unix epoch
	released boolean not null default false,   -- the owner gave the cohort away
	at timestamptz not null default now()
) with (fillfactor = 50);

-- Versions above the snapshot whose effects are durable.
create table if not exists ichor.ledger (version bigint primary key);

-- The modules themselves, by their SHA-256, so that any host can convert what the history asks for. What
-- no version needs is pruned, but for the newest of each guest (guests.keep); the history stays.
create table if not exists ichor.guest_module (
	digest text primary key,
	name text not null,
	module bytea not null,
	signatures text,                           -- one a line, by which the module was taken; null where none was needed
	stored_at timestamptz not null default now() -- the last time
);

-- The checks that modules passed, each named by a hash of all that its result depends on: the
-- module, the limits and the SQL policy, and the host's program. What is not here is checked
-- again, so rows may be deleted at any time.
create table if not exists ichor.guest_check (
	name text primary key,
	guest text not null,
	digest text not null,
	passed_at timestamptz not null default now()
);

-- Which guest converts what: name's module is digest from from_version on, or for that version
-- alone where only_version is set, which goes before.
create table if not exists ichor.guest_history (
	name text not null,
	from_version bigint not null,
	only_version boolean not null default false,
	digest text not null,
	recorded_at timestamptz not null default now(),
	primary key (name, from_version, only_version)
);

-- Which guest had a version's items: by the routes of the settings from from_version on, but for the versions in
-- earlier, which went ahead of the snapshot by the row before. A host writes a row as it takes over, where its routes
-- are others than the last. What came before the first row went by its routes too, as far as anybody knows.
create table if not exists ichor.guest_routes (
	id bigint generated always as identity primary key,
	from_version bigint not null,
	earlier bigint[] not null,
	routes text not null,                      -- as JSON, with guests.unrouted
	recorded_at timestamptz not null default now()
);

-- What became of the guests' modules, and by whom. The newest row that is armed or back says which module a
-- guest begins with, as long as its file is the one that was last taken. The newest are kept, a hundred for each
-- of guests.keep, and of older ones what says something of a module that is there.
create table if not exists ichor.guest_event (
	id bigint generated always as identity primary key,
	at timestamptz not null default now(),
	guest text not null,
	digest text not null,
	state text not null,                       -- one of GuestState's, as active
	from_version bigint,                       -- of active and back
	who text not null,
	reason text not null default ''
);

create index if not exists guest_event_wanted on ichor.guest_event (guest, id) where state in ('armed', 'back');

create table if not exists ichor.quarantine (
	version bigint primary key,
	held boolean not null,                     -- it holds the snapshot; else a record of the fact alone
	kind text not null,
	code text not null default '',
	message text not null,
	safepoint bigint not null,
	snapshot bigint not null,                  -- when it was held
	digest text,                               -- of the guest that converted it
	xid text, cohort text, agent text,
	candidate bytea,                           -- the record's value as on the topic
	times integer not null default 1,
	resolved_at timestamptz,                   -- when it ended, in the transaction that ended it
	resolution text,                           -- how: installed, skipped (by its guest, or ignored by the routes), skipped_by_operator, passed, adopted
	resolved_digest text,                      -- of the guest that made something of it
	first_at timestamptz not null default now(),
	last_at timestamptz not null default now()
);

create index if not exists quarantine_held on ichor.quarantine (version) where held;

create table if not exists ichor.audit (
	id bigint generated always as identity primary key,
	at timestamptz not null default now(),
	who text not null,
	deed text not null,
	reason text not null
);

-- What operators ask for, one row a request. It stands until a host that owns the cohort ends it, and
-- survives every host: a skip is open until the snapshot passes its version, a pause until it is resumed,
-- and a candidate whose abandon is done counts as aborted for ever.
create table if not exists ichor.request (
	id bigint generated always as identity primary key,
	verb text not null,                        -- skip, retry, abandon, pause, resume, handover, swap, deploy
	version bigint check (version > 0),        -- of skip, retry and abandon
	hash text,                                 -- of skip: of the record and of why it was held
	guest text, digest text,                   -- of swap; no digest is the module before
	who text not null,
	reason text not null,
	asked_at timestamptz not null default now(),
	taken_at timestamptz,                      -- when a host took it up
	ended_at timestamptz,
	outcome text                               -- done, or refused and why
);

create index if not exists request_abandoned on ichor.request (version) where verb = 'abandon' and outcome = 'done';

-- What a schema of an earlier Ichor lacks.
alter table ichor.state add column if not exists token bigint not null default 0;
alter table ichor.lane add column if not exists token bigint not null default 0;
alter table ichor.quarantine add column if not exists resolved_at timestamptz,
	add column if not exists resolution text, add column if not exists resolved_digest text;
alter table ichor.guest_module add column if not exists signatures text;
alter table ichor.request add column if not exists guest text, add column if not exists digest text;
drop index if exists ichor.request_open, ichor.request_one;
create unique index if not exists request_same on ichor.request
	(verb, coalesce(version, -1), coalesce(guest, ''), (case when verb = 'deploy' then coalesce(digest, '') else '' end)) where ended_at is null;
drop function if exists ichor.advance(bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint);
drop function if exists ichor.ahead(bigint, integer, bigint, bigint[]);

-- The row that cohorts read, as the reference keeps it.
create table if not exists public.cohort_snapshot (
	id char(9) primary key,
	version bigint not null
) with (fillfactor = 50);
insert into public.cohort_snapshot (id, version) values ('SINGLETON', 0) on conflict (id) do nothing;

-- advance moves snapshot and resume point in the transaction that installs a frontier group.
-- It raises inside the database because in a pipeline the COMMIT is on the wire already.
create or replace function ichor.advance(
	p_epoch bigint, p_token bigint, p_claim bigint, p_from bigint, p_snapshot bigint, p_resume bigint,
	p_anchor_position bigint, p_anchor_hash bigint, p_ledgered bigint
) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	s ichor.state;
	passed bigint;
begin
	update ichor.state
	   set snapshot = p_snapshot, resume = p_resume, anchor_position = p_anchor_position,
	       anchor_hash = p_anchor_hash, changed_at = now()
	 where id and epoch = p_epoch and token = p_token and claim = p_claim and snapshot = p_from;
	if not found then
		select * into s from ichor.state;
		if (s.epoch, s.token) is distinct from (p_epoch, p_token) then
			raise exception using errcode = 'IC001',
				message = format('epoch %s is over: it is %s, owned by %s', p_epoch, s.epoch, s.owner);
		end if;
		if s.claim is distinct from p_claim then
			raise exception using errcode = 'IC005',
				message = format('claim %s is over: another connection of this host has made it %s', p_claim, s.claim);
		end if;
		raise exception using errcode = 'IC002',
			message = format('the snapshot is %s, expected %s', s.snapshot, p_from);
	end if;
	delete from ichor.ledger where version <= p_snapshot;
	get diagnostics passed = row_count;
	if passed <> p_ledgered then
		raise exception using errcode = 'IC003',
			message = format('the ledger has %s versions up to %s, expected %s', passed, p_snapshot, p_ledgered);
	end if;
	if p_snapshot = p_from then
		return;
	end if;
	update public.cohort_snapshot set version = p_snapshot where id = 'SINGLETON' and version = p_from;
	if not found then
		raise exception using errcode = 'IC002',
			message = format('cohort_snapshot does not say %s any more', p_from);
	end if;
end $$;

-- ahead fences a group beyond the frontier and enters its versions in the ledger.
create or replace function ichor.ahead(p_epoch bigint, p_token bigint, p_lane integer, p_claim bigint, p_versions bigint[])
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	reached bigint;
begin
	update ichor.lane set claim = claim where lane = p_lane and epoch = p_epoch and token = p_token and claim = p_claim;
	if not found then
		perform from ichor.lane where lane = p_lane and epoch = p_epoch and token = p_token;
		if found then
			raise exception using errcode = 'IC005',
				message = format('claim %s of lane %s is over: another connection of this host has renewed it', p_claim, p_lane);
		end if;
		raise exception using errcode = 'IC001', message = format('epoch %s of lane %s is over', p_epoch, p_lane);
	end if;
	select snapshot into reached from ichor.state;
	if reached >= (select min(v) from unnest(p_versions) v) then
		raise exception using errcode = 'IC002',
			message = format('the snapshot is %s, and versions %s are to go ahead of it', reached, p_versions);
	end if;
	insert into ichor.ledger (version) select unnest(p_versions);
end $$;

-- end_request ends a request, and says so in the audit; what a pause did stands there from its beginning. It does
-- nothing to one that has ended. A swap is called what people ask for by it: guest swap puts a file in place, and is none.
-- It raises where there is no such request: another database had asked.
create or replace function ichor.end_request(p_id bigint, p_outcome text)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	with ended as (
		update ichor.request set taken_at = coalesce(taken_at, now()), ended_at = now(), outcome = p_outcome
		 where id = p_id and ended_at is null returning *
	)
	insert into ichor.audit (who, deed, reason)
	select who, case verb when 'swap' then 'rollback' else verb end || coalesce(' version ' || version, '') || coalesce(' ' || hash, '') || coalesce(' guest ' || guest, '')
		|| coalesce(' to ' || digest, '') || ': ' || outcome, reason
	  from ended where verb <> 'pause' or outcome like 'refused%';
	if not found and not exists (select from ichor.request where id = p_id) then
		raise exception using errcode = 'IC006', message = format('ichor.request has no request %s', p_id);
	end if;
end $$;

-- Last, so that a schema that is made in part does not count as this one.
insert into ichor.schema as s (version, usable_from) values (1, 1)
	on conflict (id) do update set version = excluded.version, usable_from = excluded.usable_from, changed_at = now() where s.version < excluded.version;
commit;
