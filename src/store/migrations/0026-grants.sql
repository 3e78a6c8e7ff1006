-- Roles that people ask for: their requests have no statement, and a grant may wait for its first use. Forward only.
set local search_path = countersign;

alter table request
  alter column session drop not null,
  alter column statement drop not null;

-- An approver may let it last for a shorter time than was asked.
alter table decision add column duration_ms bigint;

alter table access_grant
  alter column starts_at drop not null,
  alter column ends_at drop not null,
  -- 'access', or 'break-glass'
  add column kind text not null default 'access',
  add column created_at timestamptz not null default clock_timestamp(),
  -- How long it lasts once it has started, and until when that must be.
  add column duration_ms bigint not null default 0,
  add column use_by timestamptz,
  -- What becomes of what runs when it ends: 'cancel' or 'finish'.
  add column ends text not null default 'cancel',
  -- When its end was recorded; before its time when somebody ended it.
  add column ended_at timestamptz,
  add column ended_why text,
  -- Break-glass is read by somebody else afterwards, a member of one of these groups.
  add column reviewers text[] not null default '{}',
  add column reviewed_at timestamptz,
  add column reviewed_by text,
  add column review text;
-- A grant starts when its person has a session on its target.
create index session_whose on session (lower(person), target, started_at);
create index access_grant_open on access_grant (person, target) where ended_at is null;
create index access_grant_request on access_grant (request);
create index access_grant_unreviewed on access_grant (created_at) where kind = 'break-glass' and reviewed_at is null;
