-- People as providers tell of them, and who is signed in to the console.
set local search_path = countersign;

-- Beside the people of the configuration. `email` is in lower case.
create table person (
  email text primary key,
  -- Who may speak for this address; both null until the first sign-in binds them.
  provider text,
  subject text,
  name text not null,
  groups text[] not null default '{}',
  -- gone: the provider said so, and its next sign-in lifts it; deactivated: only who has said so does.
  state text not null default 'active' check (state in ('active', 'gone', 'deactivated')),
  -- SCIM tells name, groups and state; what tokens say of them counts for nothing.
  scim boolean not null default false,
  checked_at timestamptz not null default clock_timestamp(),
  -- What the provider said counts until then.
  valid_until timestamptz not null,
  created_at timestamptz not null default clock_timestamp(),
  unique (provider, subject)
);

create table sign_in (
  id uuid primary key,
  -- HMAC of the cookie's id.
  cookie bytea not null unique,
  person text not null,
  -- One of the two: what it was made with.
  provider text,
  token uuid,
  scopes text[] not null,
  auth_time timestamptz,
  acr text,
  amr text[],
  sid text,
  client text not null,
  -- AES-256-GCM under the key file of the gateway that took them.
  refresh_token bytea,
  id_token bytea,
  started_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  ends_at timestamptz not null,
  ended_at timestamptz,
  ended_why text
);
create index sign_in_person on sign_in (person) where ended_at is null;
create index sign_in_sid on sign_in (provider, sid) where ended_at is null;
create index sign_in_ends on sign_in (ends_at);
