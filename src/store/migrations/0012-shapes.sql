-- What approvers are told beyond the effect, and approvals that hold for the same statement again.
set local search_path = countersign;

alter table request
  -- HMAC of the text without its constants, under a secret of the store: to find what was asked before.
  add column alike bytea,
  -- HMAC under the request's own secret: what a later statement must be to run on this approval.
  add column shape bytea,
  -- What is known of the rows that it would touch; it comes in while the request waits.
  add column rows jsonb;
create index request_alike on request (alike, created_at desc) where alike is not null;

-- The person approved the shape too.
alter table decision add column shape boolean not null default false;

-- A shape that was approved. It ends by itself, or is revoked.
create table shape (
  request uuid primary key references request,
  -- Who may run it again, as keys are compared: in lower case.
  person text not null,
  agent text,
  target text not null,
  approvers text[] not null,
  starts_at timestamptz not null default clock_timestamp(),
  ends_at timestamptz not null,
  revoked_at timestamptz,
  revoked_by text
);
create index shape_live on shape (person, target, ends_at) where revoked_at is null;

-- The newest records of a session are asked for at every hold.
drop index record_body_session;
create index record_body_session on record_body (session, at) where session is not null;
