-- Who an account in chat is: linked once by its person. Forward only.
set local search_path = countersign;

create table chat_account (
  platform text not null,
  -- Slack's team, Teams' tenant.
  workspace text not null,
  -- Slack's user id, Entra's object id.
  account text not null,
  -- A key. One account is one person's; a person may have several.
  person text not null,
  -- 'sign-in': its person linked it; 'email': it had the person's address when it was first used.
  how text not null check (how in ('sign-in', 'email')),
  -- As the platform called the account and its workspace then, without what cannot be seen.
  name text not null,
  workspace_name text not null,
  linked_at timestamptz not null default clock_timestamp(),
  primary key (platform, workspace, account)
);
create index chat_account_person on chat_account (person);

-- A link that an account asked for; its code is in it alone.
create table chat_link (
  id uuid primary key,
  code_sha256 bytea not null unique,
  platform text not null,
  workspace text not null,
  account text not null,
  name text not null,
  workspace_name text not null,
  -- open, confirmed (its person waits for the account to say the word), used, ended.
  state text not null default 'open',
  -- The fresh sign-in that was made for it, and by it who confirmed it.
  sign_in uuid references sign_in on delete cascade,
  person text,
  -- What its person was shown, and the account has to say.
  word text,
  -- How often the account has said one.
  tries integer not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null
);
create index chat_link_account on chat_link (platform, workspace, account);
create index chat_link_sign_in on chat_link (sign_in);
create index chat_link_person on chat_link (person);
