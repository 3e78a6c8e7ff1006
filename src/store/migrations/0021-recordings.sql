-- Recordings of sessions: the key of each, and its sealed chunks unless a folder holds them. Forward only.
set local search_path = countersign;

create table recording (
  session uuid primary key,
  -- Which process records it.
  gateway text not null,
  epoch bigint not null,
  person text not null,
  agent text,
  target text not null,
  database text,
  protocol text not null,
  started_at timestamptz not null,
  -- When its last chunk was sealed, or when it was found that its process is gone.
  ended_at timestamptz,
  lost boolean not null default false,
  -- Wrapped by the gateway's vault. Destroying it erases the recording.
  key bytea,
  erased_at timestamptz,
  chunks integer not null default 0,
  events bigint not null default 0,
  bytes bigint not null default 0
);
create index recording_open on recording (gateway, epoch) where ended_at is null;
create index recording_person on recording (person, started_at);

create table recording_chunk (
  session uuid not null,
  chunk integer not null,
  sealed bytea not null,
  at timestamptz not null default clock_timestamp(),
  primary key (session, chunk)
);
-- It is compressed and encrypted already.
alter table recording_chunk alter column sealed set storage external;
