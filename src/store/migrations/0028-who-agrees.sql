-- Who has to agree, in which order, after which time, and who stands in for whom. Forward only.
set local search_path = countersign;

alter table request
  -- The stage that is asked, since when, and when its next escalation is due.
  add column stage integer not null default 1,
  add column stage_at timestamptz,
  add column escalate_at timestamptz,
  -- What was escalated: [{of, stage, group, afterMs, at, channel}].
  add column escalated jsonb not null default '[]';
create index request_escalate on request (escalate_at) where state = 'pending' and escalate_at is not null;

alter table decision
  -- The stage that was asked when it was given; it counts in that one alone.
  add column stage integer not null default 1,
  -- The absent person whose authority it was.
  add column stands_for text;

-- Somebody is away, and a colleague decides in their place. Both are keys of persons.
create table away (
  id uuid primary key default gen_random_uuid(),
  person text not null,
  substitute text not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  created_at timestamptz not null default clock_timestamp(),
  -- It was ended before its time, by whom.
  ended_at timestamptz,
  ended_by text,
  check (person <> substitute and starts_at < ends_at)
);
create index away_substitute on away (substitute, ends_at) where ended_at is null;
create index away_person on away (person, ends_at) where ended_at is null;
