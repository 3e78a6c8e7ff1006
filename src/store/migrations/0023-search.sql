-- What is searched: a projection of the log that can be thrown away and made anew. Forward only.
set local search_path = countersign;

-- The facts that many rows have in common, once each: what a search compares names with, and counts by.
create table search_facet (
  id integer generated always as identity primary key,
  -- Digest over all that follows.
  key text not null unique,
  kind text not null,
  person text,
  agent text,
  target text,
  verdicts text[] not null default '{}',
  decision text,
  effects text[] not null default '{}',
  tables text[] not null default '{}',
  masked text[] not null default '{}',
  decided_by text[] not null default '{}'
);
create index search_facet_person on search_facet (person);

-- One row for a statement with all that became of it, or for another act.
create table search_record (
  -- Of the record that it begins with, in whole milliseconds.
  at timestamptz not null,
  id uuid not null,
  -- Its entry in the tree.
  index bigint not null,
  facet integer not null,
  session uuid,
  statement uuid,
  request uuid,
  decided_at timestamptz,
  rows bigint,
  duration_ms double precision,
  waited_ms double precision,
  code text,
  client text,
  text text not null default '',
  -- What came back, masked, as far as it was recorded; the beginning of it.
  output text,
  primary key (id, at)
) partition by range (at);
create index search_record_at on search_record (at desc, index desc) include (facet);
create index search_record_facet on search_record (facet, at desc);
create index search_record_session on search_record (session) where session is not null;
create index search_record_statement on search_record (statement) where statement is not null;
create index search_record_request on search_record (request) where request is not null;
create index search_record_code on search_record (code) where code is not null;
create index search_record_rows on search_record (rows) where rows > 0;
create index search_record_duration on search_record (duration_ms) where duration_ms >= 100;

-- How many rows each facet has on a day (UTC), so that much can be counted at once. Kept by the triggers below.
create table search_tally (
  day timestamptz not null,
  facet integer not null,
  n integer not null,
  primary key (day, facet)
);
create function search_count() returns trigger language plpgsql set search_path = countersign, pg_catalog, pg_temp as $$
begin
  if tg_op <> 'INSERT' then
    update search_tally t set n = t.n - c.n
      from (select date_trunc('day', at, 'UTC') as day, facet, count(*)::integer as n from before_now group by 1, 2) c
      where t.day = c.day and t.facet = c.facet;
  end if;
  if tg_op <> 'DELETE' then
    insert into search_tally as t select date_trunc('day', at, 'UTC'), facet, count(*) from after_now group by 1, 2
      on conflict (day, facet) do update set n = t.n + excluded.n;
  end if;
  return null;
end $$;
create trigger search_count_insert after insert on search_record referencing new table as after_now
  for each statement execute function search_count();
create trigger search_count_update after update on search_record referencing old table as before_now new table as after_now
  for each statement execute function search_count();
create trigger search_count_delete after delete on search_record referencing old table as before_now
  for each statement execute function search_count();

-- How far the projection is: the next entry of the tree. Alerts are not told of what is before `alerts_from`.
create table search_cursor (
  one boolean primary key default true check (one),
  index bigint not null default 0,
  alerts_from bigint not null default 0,
  at timestamptz not null default clock_timestamp()
);
insert into search_cursor default values;

-- Statements of which something was erased: what is left of them is projected again.
create table search_again (statement uuid primary key);

-- A month's partition is made when its first row comes; the gateway's role can make one here, and nothing else.
create function search_month(month text) returns void language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
declare
  first date := to_date(month, 'YYYYMM');
begin
  if month !~ '^[0-9]{6}$' then
    raise exception 'a month is written as YYYYMM, not %', month;
  end if;
  perform pg_advisory_xact_lock(hashtext('countersign search month'));
  if to_regclass('countersign.search_record_' || month) is null then
    execute format('create table countersign.search_record_%s partition of countersign.search_record for values from (%L) to (%L)',
      month, first || ' 00:00:00+00', (first + interval '1 month')::date || ' 00:00:00+00');
  end if;
end $$;

-- Retention drops a month of the log; this is what goes with it. For the owner of the tables.
create function search_drop_month(month text) returns void language plpgsql
  set search_path = countersign, pg_catalog, pg_temp as $$
begin
  perform pg_advisory_xact_lock(hashtext('countersign search'));
  execute format('drop table if exists countersign.search_record_%s', month::integer);
  delete from search_tally where to_char(day at time zone 'UTC', 'YYYYMM') = month;
  delete from search_facet f where not exists (select from search_record s where s.facet = f.id);
end $$;

-- Any part of a word is found by its trigrams, where the extension is to be had; else searching reads row by row.
create function search_trigrams() returns boolean language plpgsql as $$
declare
  home text;
begin
  begin
    create extension if not exists pg_trgm with schema countersign;
  exception when others then
    raise notice 'pg_trgm: %', sqlerrm;
  end;
  select quote_ident(nspname) into home from pg_catalog.pg_extension e
    join pg_catalog.pg_namespace n on n.oid = e.extnamespace where extname = 'pg_trgm';
  if home is null then
    return false;
  end if;
  execute format('create index if not exists search_record_text on countersign.search_record using gin (text %s.gin_trgm_ops)', home);
  execute format('create index if not exists search_record_output on countersign.search_record using gin (output %s.gin_trgm_ops)', home);
  return true;
end $$;
select search_trigrams();

-- What is erased from the log leaves the projection in the same breath. The lock is the projection's own: what it has read
-- before is written before this looks, and what it reads afterwards is erased.
create function search_forget() returns trigger language plpgsql set search_path = countersign, pg_catalog, pg_temp as $$
begin
  if not exists (select from erased_before b join erased_now n using (id) where n.body is null and b.body is not null) then
    return null;
  end if;
  perform pg_advisory_xact_lock(hashtext('countersign search'));
  delete from search_record s using erased_before b where s.id = b.id;
  insert into search_again select distinct statement from erased_before where statement is not null on conflict do nothing;
  delete from search_record s using erased_before b where s.statement = b.statement;
  delete from search_facet f where (f.person in (select person from erased_before)
      or f.decided_by && array(select lower(person) from erased_before where person is not null))
    and not exists (select from search_record s where s.facet = f.id);
  return null;
end $$;
create trigger search_forget after update on record_body referencing old table as erased_before new table as erased_now
  for each statement execute function search_forget();

-- Searches that somebody keeps.
create table search_view (
  id uuid primary key,
  name text not null,
  owner text not null,
  query text not null,
  -- Members of these see it as well.
  groups text[] not null default '{}',
  -- Name of the channel that hears of what matches; null: nobody does.
  channel text,
  told_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  unique (owner, name)
);

-- What matched a view that somebody is told of, until it was told and so that it is not told twice.
create table search_match (
  view uuid not null references search_view on delete cascade,
  record uuid not null,
  at timestamptz not null default clock_timestamp(),
  told boolean not null default false,
  primary key (view, record)
);
create index search_match_untold on search_match (view) where not told;

-- What chat must be told of them.
create table search_alert (
  id uuid primary key,
  view uuid not null references search_view on delete cascade,
  channel text not null,
  name text not null,
  matches integer not null,
  attempts integer not null default 0,
  next_at timestamptz not null default clock_timestamp(),
  done_at timestamptz,
  at timestamptz not null default clock_timestamp()
);
create index search_alert_open on search_alert (next_at) where done_at is null;
