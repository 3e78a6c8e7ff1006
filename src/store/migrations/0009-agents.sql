-- Agents, machines, and connections that somebody confirms in a browser.
set local search_path = countersign;

-- `agent` acts for the person with it. A token that was exchanged ends with its `parent`.
-- Without a verifier it is no password: it came, or may come, by OAUTHBEARER alone.
alter table token
  add column agent text,
  add column parent uuid references token (id),
  alter column stored_key drop not null,
  alter column server_key drop not null;
create index token_parent on token (parent) where parent is not null;

-- PostgreSQL connections that wait until their person confirms them in the console. Rows are kept until they expire, so
-- that what was asked for lately can be counted. `person` is what the client claims: it may be nobody.
-- state: pending → confirmed or denied, by the person; ended, when the connection was given up; confirmed → used.
create table confirmation (
  id uuid primary key,
  -- SHA-256 of the code in the link.
  code bytea not null unique,
  person text not null,
  -- The person has shown a token already.
  proven boolean not null,
  agent text,
  address text not null,
  -- What is counted: an IPv4 address, or the /64 of an IPv6 address.
  network text not null,
  target text not null,
  database text not null,
  application text not null,
  match text not null,
  state text not null default 'pending',
  decided_from text,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null
);
create index confirmation_network on confirmation (network, created_at);
create index confirmation_expires on confirmation (expires_at);
