-- What OpenID providers send may count once, and the fresh sign-ins that rules ask for.
set local search_path = countersign;

-- States of sign-ins that came back, logout tokens, and sessions at a provider that have ended; hashes only.
create table seen_once (
  key bytea primary key,
  until timestamptz not null
);
create index seen_once_until on seen_once (until);

-- One gateway at a time asks a provider about a person: a refresh token may be worth one answer only.
create table recheck (
  person text primary key,
  until timestamptz not null
);

-- A sign-in that was made anew to decide this one request.
create table step_up (
  sign_in uuid primary key references sign_in on delete cascade,
  request uuid not null references request,
  -- How far the provider's clock may be from ours.
  skew_ms bigint not null
);
