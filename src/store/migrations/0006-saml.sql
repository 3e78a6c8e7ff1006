-- Sign-ins and sign-outs by SAML that are on their way, and messages of providers that have been used.
set local search_path = countersign;

create table saml_flow (
  -- Id of our request, or of the assertion that came without one.
  id text primary key,
  provider text not null,
  -- Keyed hash of the cookie of the browser that began it; null when the provider did.
  browser bytea,
  next text not null,
  begun_at timestamptz not null default clock_timestamp(),
  -- Once the provider has answered: hash of the ticket that the browser comes back with, and what was said.
  ticket bytea unique,
  said jsonb,
  expires_at timestamptz not null
);
create index saml_flow_expires on saml_flow (expires_at);

-- Ids of assertions and logout requests that have been taken, until they would be refused as expired.
create table saml_used (
  provider text not null,
  id text not null,
  expires_at timestamptz not null,
  primary key (provider, id)
);
create index saml_used_expires on saml_used (expires_at);
