-- What people say about a request before it is decided, and reactions that vote. Forward only.
set local search_path = countersign;

create table question (
  id uuid primary key,
  request uuid not null references request,
  -- Masked text only, of the answer too.
  text text not null,
  person text not null,
  via text not null,
  record uuid not null,
  at timestamptz not null default clock_timestamp(),
  answer text,
  answered_by text,
  answered_via text,
  answer_record uuid,
  answered_at timestamptz
);
create index question_request on question (request);

-- Handed over to another group: told alone, or also asked to agree.
create table hand_over (
  request uuid not null references request,
  "group" text not null,
  person text not null,
  via text not null,
  agrees boolean not null,
  record uuid not null,
  at timestamptz not null default clock_timestamp(),
  primary key (request, "group")
);

-- The groups that were missing when somebody reminded them.
create table reminder (
  id uuid primary key,
  request uuid not null references request,
  person text not null,
  via text not null,
  groups text[] not null,
  record uuid not null,
  at timestamptz not null default clock_timestamp()
);
create index reminder_request on reminder (request, at);

-- A vote by a reaction: {platform, channel, message, workspace, user}. While the request waits it goes with the reaction.
alter table decision add column reaction jsonb;

-- Versions from quiet_from to quiet_to differ in nothing that a vote depends on.
alter table request add column quiet_from integer, add column quiet_to integer;

-- What an approver reads on the card, as a digest; since when it stands there; whether reactions on it may count.
alter table post add column shown text, add column shown_at timestamptz, add column votes boolean not null default false;
