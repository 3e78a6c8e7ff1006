-- The store of Countersign. Forward only: a later version adds files, it never edits this one.
-- The schema and its table of applied files exist already: migrate.ts makes them.
set local search_path = countersign;

-- One row a gateway process name; a lease with an epoch makes one process at a time its owner.
-- Epochs below `epoch` are dead; those up to `recovered` have been put right.
create table gateway (
  name text primary key,
  epoch bigint not null default 0,
  recovered bigint not null default 0,
  lease_until timestamptz not null
);

create table session (
  id uuid primary key,
  gateway text not null,
  epoch bigint not null,
  person text not null,
  agent text,
  target text not null,
  database text not null,
  protocol text not null,
  client text not null,
  application text not null default '',
  started_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz
);
create index session_open on session (gateway, epoch) where ended_at is null;

-- The log. `leaf` is what is hashed, chained and later put in the tree; it holds commitments, never a body.
create table record (
  writer text not null,
  seq bigint not null,
  id uuid not null unique,
  leaf bytea not null,
  hash bytea not null,
  primary key (writer, seq)
);

-- What a leaf commits to: commit = HMAC-SHA256(salt, body). Erasing salt and body leaves every proof valid.
create table record_body (
  id uuid primary key,
  at timestamptz not null,
  writer text not null,
  epoch bigint not null,
  kind text not null,
  session uuid,
  statement uuid,
  request uuid,
  person text,
  agent text,
  target text,
  verdict text,
  salt bytea,
  body text
);
create index record_body_at on record_body (at desc, id);
create index record_body_statement on record_body (statement) where statement is not null;
create index record_body_request on record_body (request) where request is not null;
create index record_body_session on record_body (session) where session is not null;
create index record_body_unfinished on record_body (writer, epoch, kind);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'the log is append-only';
end $$;
create trigger append_only before update or delete on record for each row execute function refuse_change();
create trigger append_only_all before truncate on record for each statement execute function refuse_change();
create function refuse_all_but_erasure() returns trigger language plpgsql as $$
begin
  if new.salt is null and new.body is null
    and (to_jsonb(new) - 'salt' - 'body') = (to_jsonb(old) - 'salt' - 'body') then
    return new;
  end if;
  raise exception 'the log is append-only';
end $$;
create trigger append_only before delete on record_body for each row execute function refuse_change();
create trigger only_erasure before update on record_body for each row execute function refuse_all_but_erasure();
create trigger append_only_all before truncate on record_body for each statement execute function refuse_change();

-- The Merkle tree (RFC 6962, C2SP tlog-tiles): the sequencer gives records their index and fills tiles.
create table tree_entry (
  index bigint primary key,
  writer text not null,
  seq bigint not null,
  unique (writer, seq),
  foreign key (writer, seq) references record
);
create table tree_tile (
  level smallint not null,
  index bigint not null,
  width smallint not null,
  hashes bytea not null,
  primary key (level, index)
);
create table tree_checkpoint (
  size bigint primary key,
  root bytea not null,
  note text not null,
  at timestamptz not null default clock_timestamp()
);

create table request (
  id uuid primary key,
  version integer not null default 1,
  state text not null,
  kind text not null,
  gateway text not null,
  epoch bigint not null,
  session uuid not null,
  statement uuid not null,
  person text not null,
  requirement jsonb not null,
  card jsonb not null,
  -- Key of the digest on the card; kept with the body, erased with it.
  secret bytea,
  record uuid not null,
  outcome jsonb,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  ended_at timestamptz
);
create index request_open on request (created_at) where state in ('pending', 'approved', 'running');
create index request_at on request (created_at desc);

create table decision (
  request uuid not null references request,
  person text not null,
  -- The group this person counted for.
  "group" text not null,
  decision text not null,
  reason text not null default '',
  via text not null,
  record uuid not null,
  at timestamptz not null default clock_timestamp(),
  primary key (request, person)
);

-- What chat must be told. Shares the transaction of what it tells; a sweep finds rows whose hint was lost.
create table outbox (
  id uuid primary key,
  request uuid not null references request,
  version integer not null,
  attempts integer not null default 0,
  next_at timestamptz not null default clock_timestamp(),
  done_at timestamptz
);
create index outbox_open on outbox (next_at) where done_at is null;

-- The one card of a request in a channel; only a stored card acts.
create table post (
  request uuid not null references request,
  platform text not null,
  channel text not null,
  ts text,
  version integer not null default 0,
  primary key (request, platform, channel)
);
create unique index post_ts on post (platform, channel, ts);

-- What chat sent us and was handled, so that a retry or a replay is not handled again.
create table chat_seen (
  key text primary key,
  at timestamptz not null default clock_timestamp()
);

create table token (
  id uuid primary key,
  person text not null,
  label text not null default '',
  scopes text[] not null,
  sha256 bytea not null unique,
  stored_key bytea not null,
  server_key bytea not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  last_used_at timestamptz
);
create index token_person on token (person) where revoked_at is null;

-- Secrets of the installation itself, e.g. the key of SCRAM salts and of the console's cookies.
create table secret (
  name text primary key,
  value bytea not null
);

create table access_grant (
  id uuid primary key,
  person text not null,
  target text not null,
  role text not null,
  request uuid references request,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  revoked_at timestamptz,
  revoked_by text
);
create index access_grant_person on access_grant (person, ends_at);
