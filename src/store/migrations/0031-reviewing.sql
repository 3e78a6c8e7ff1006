-- What is reviewed in chat: the lists that somebody pages through, digests by the clock, and incidents. Forward only.
set local search_path = countersign;

-- A search in chat that has a further page. Only whoever searched gets it, and what they may find is asked anew.
create table chat_search (
  id uuid primary key default gen_random_uuid(),
  person text not null,
  query text not null,
  cursor text not null,
  at timestamptz not null default clock_timestamp()
);
create index chat_search_at on chat_search (at);

-- The last time of its schedule that a digest was posted for, or first seen at.
create table chat_digest (
  digest text primary key,
  slot timestamptz not null
);

-- Something that went wrong, and all that happens meanwhile on the targets it is about.
create table incident (
  id uuid primary key,
  name text not null,
  -- A target's name, with * for any part of it.
  target text not null,
  note text not null,
  platform text not null,
  -- The platform's id of the channel where it was started.
  channel text not null,
  started_by text not null,
  started_at timestamptz not null default clock_timestamp(),
  -- Entries of the tree that are collected: from this one on, up to the record of its stop.
  first_index bigint not null,
  next_index bigint not null,
  stopped_by text,
  stopped_at timestamptz,
  stop_record uuid,
  -- How often each kind of thing happened.
  counts jsonb not null default '{}',
  -- Entries that stand in the thread, and those that are only in the console.
  told integer not null default 0,
  untold integer not null default 0,
  -- Its timeline was posted.
  done_at timestamptz
);
create unique index incident_open on incident (lower(name)) where stopped_at is null;
create index incident_collected on incident (started_at) where done_at is null;
