create table t (a text, b int, v bigint, at timestamptz, d date, j jsonb, n numeric, arr text[], id bigserial, u uuid, arr2 int[], r daterange, iv interval, by bytea, ts timestamp, f float8);
insert into t (a, b, v, j, n) values ('x', 2, 1, '{}', 1);
create table q (a text, b int, v bigint, parent int, at timestamptz, j jsonb, n numeric);
insert into q select 'q'||i, i, i, i/2, now(), '{"k":1}', i from generate_series(1,50) i;
create type mood as enum ('sad','ok'); alter table t add m mood;
create function evil(x q) returns text language plpgsql as $$ begin perform pg_sleep(0.2); return 'evil'; end $$;
create function lower(x int) returns text language sql as $$ select 'shadowed'::text $$;
create function public.md5(x varchar) returns text language plpgsql as $$ begin perform pg_sleep(0.2); return 'evil'; end $$;
create function add_evil(a int, b text) returns text language plpgsql as $$ begin perform pg_sleep(0.2); return 'evil op'; end $$;
create operator + (leftarg=int, rightarg=text, function=add_evil);
create schema ichor; create table ichor.state(v bigint); insert into ichor.state values (7);
create view look as select v from ichor.state; create view upd as select v from ichor.state where v > 0;
create sequence s; create table withseq (a text, id bigint default nextval('s'), at timestamptz default now());
create table trig (a text);
create function tf() returns trigger language plpgsql as $$ begin insert into ichor.state values (666); return new; end $$;
create trigger tt before insert on trig for each row execute function tf();
-- PostgreSQL plans ON CONFLICT (id) only for a column that is unique.
create unique index on t (id);
