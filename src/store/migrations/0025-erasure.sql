-- Erasing what records say, and what keeps it from being erased. Forward only.
set local search_path = countersign;

-- One row an erasure. What it is about stands here as long as the work goes on; the record of it has a commitment only.
create table erasure (
  id uuid primary key,
  -- asked: a second person has to confirm; planned: about to be recorded; recorded: its record is durable, its work goes on.
  state text not null check (state in ('asked', 'planned', 'recorded', 'done', 'stopped')),
  filter jsonb,
  reason text not null,
  by text,
  confirmed_by text,
  -- What stands in for the person in rows that stay.
  pseudonym text not null,
  -- The record that went before the work.
  record uuid,
  counts jsonb not null default '{}',
  at timestamptz not null default clock_timestamp(),
  ended_at timestamptz
);

-- The records that an erasure under way takes in.
create table erasure_item (
  erasure uuid not null references erasure on delete cascade,
  record uuid not null,
  at timestamptz not null,
  primary key (erasure, record)
);

-- What must stay. A null says nothing of its column; all that are set must hold.
create table legal_hold (
  id uuid primary key,
  name text not null,
  -- In lower case.
  person text,
  -- A name, or with * for any part of one.
  target text,
  session uuid,
  since timestamptz,
  until timestamptz,
  reason text not null,
  placed_by text,
  placed_at timestamptz not null default clock_timestamp(),
  released_by text,
  released_at timestamptz,
  check (num_nonnulls(person, target, session, since, until) > 0)
);
create unique index legal_hold_name on legal_hold (name) where released_at is null;

-- Whether a name fits a pattern in which * stands for any part.
create function fits(name text, pattern text) returns boolean language sql immutable set search_path = pg_catalog, pg_temp as
  $$ select pattern = '*' or name like replace(replace(replace(replace(pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%') $$;

-- The names of the holds that keep something of this person, target, session and time; null when none does.
create function held_by(of_person text, of_target text, of_session uuid, of_at timestamptz) returns text
  language sql stable set search_path = pg_catalog, pg_temp as $$
  select string_agg(h.name, ', ' order by h.name) from countersign.legal_hold h
  where h.released_at is null
    and (h.person is null or h.person = lower(of_person))
    and (h.target is null or countersign.fits(of_target, h.target))
    and (h.session is null or h.session = of_session)
    and (h.since is null or of_at >= h.since)
    and (h.until is null or of_at < h.until)
$$;

-- What keeps the log itself in order is never erased.
create function never_erased(kind text) returns boolean language sql immutable set search_path = pg_catalog, pg_temp as
  $$ select kind in ('erasure', 'legal-hold', 'recovery', 'writer') $$;

-- Of a body everything may go but its place and kind, once, and only under an erasure whose record is durable.
create or replace function refuse_all_but_erasure() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  gone constant text[] := array['salt', 'body', 'person', 'agent', 'session', 'statement', 'request', 'erased_by'];
  hold text;
begin
  if new.salt is not null or new.body is not null or new.erased_by is null or old.erased_by is not null
    or num_nonnulls(new.person, new.agent, new.session, new.statement, new.request) > 0
    or (to_jsonb(new) - gone) <> (to_jsonb(old) - gone) or countersign.never_erased(old.kind) then
    raise exception 'the log is append-only';
  end if;
  if not exists (select from countersign.erasure e where e.id = new.erased_by and e.state = 'recorded') then
    raise exception 'nothing is erased before there is a record of it';
  end if;
  hold := countersign.held_by(old.person, old.target, old.session, old.at);
  if hold is not null then
    raise exception 'the record % is under legal hold: %', old.id, hold using errcode = '55006';
  end if;
  return new;
end $$;

-- A hold is placed and released; it is never written anew. Who did so may be erased from it later.
create function refuse_all_but_release() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  who constant text[] := array['placed_by', 'released_by'];
begin
  if (to_jsonb(new) - who - 'released_at') <> (to_jsonb(old) - who - 'released_at')
    or (old.released_at is not null and new.released_at is distinct from old.released_at)
    or (old.released_at is not null and new.released_by is distinct from old.released_by and new.released_by not like 'erased-%')
    or (new.placed_by is distinct from old.placed_by and new.placed_by not like 'erased-%') then
    raise exception 'a legal hold can only be released, once';
  end if;
  return new;
end $$;
create trigger only_release before update on legal_hold for each row execute function refuse_all_but_release();
