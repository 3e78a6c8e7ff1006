-- What providers tell by SCIM (RFC 7643). It decides the rows of `person` with `scim`.
set local search_path = countersign;

create table scim_user (
  id uuid primary key,
  provider text not null,
  -- In lower case: names know no case.
  user_name text not null,
  external_id text,
  -- The person's key: nobody is two users.
  email text not null unique,
  name text not null,
  active boolean not null,
  -- The resource as it was told, without id and meta.
  attributes jsonb not null,
  version bigint not null default 1,
  created_at timestamptz not null default clock_timestamp(),
  modified_at timestamptz not null default clock_timestamp(),
  unique (provider, user_name)
);
create index scim_user_external on scim_user (provider, external_id);

create table scim_group (
  id uuid primary key,
  provider text not null,
  -- In lower case.
  display_name text not null,
  external_id text,
  -- Our name of it; null when it counts for nothing.
  role text,
  attributes jsonb not null,
  version bigint not null default 1,
  created_at timestamptz not null default clock_timestamp(),
  modified_at timestamptz not null default clock_timestamp(),
  unique (provider, display_name)
);
create index scim_group_external on scim_group (provider, external_id);

create table scim_member (
  "group" uuid not null references scim_group on delete cascade,
  "user" uuid not null references scim_user on delete cascade,
  primary key ("group", "user")
);
create index scim_member_user on scim_member ("user");
