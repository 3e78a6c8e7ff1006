-- Sign-ins of terminals (RFC 8628): asked for by a program, confirmed by a person in the console.
set local search_path = countersign;

-- The device code is a secret of the program and stored hashed; the user code opens nothing by itself.
-- state: pending → approved or denied, by a person; approved → used, when the program fetched its token.
create table device_login (
  id uuid primary key,
  device_sha256 bytea not null unique,
  user_code text not null unique,
  -- The name that the program gives itself, and the address that it came from.
  client text not null,
  address text not null,
  state text not null default 'pending',
  person text,
  scopes text[] not null default '{}',
  -- No token outlives what the person had signed in with.
  token_until timestamptz,
  interval_ms integer not null,
  polled_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null
);
create index device_login_address on device_login (address, expires_at);
create index device_login_expires on device_login (expires_at);

-- Codes that a signed-in person has typed and that were none, since `since`.
create table device_guess (
  person text primary key,
  failed integer not null,
  since timestamptz not null
);
