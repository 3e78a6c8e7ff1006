-- What the bot says beside cards. Under its key, a message is said once in a place, and edited as it changes. Forward only.
set local search_path = countersign;

create table chat_message (
  id uuid primary key default gen_random_uuid(),
  -- What it is about, such as 'grant:<id>'.
  key text not null,
  platform text not null,
  -- A channel of the platform, or 'user:<workspace>/<user>' for a direct message.
  place text not null,
  -- Key of the message, or 'request:<id>' of the card, in whose thread it stands.
  thread text,
  -- Masked text only: what chat may show.
  post jsonb not null,
  version integer not null default 1,
  shown integer not null default 0,
  -- Where it stands, once it was posted.
  channel text,
  message text,
  attempts integer not null default 0,
  next_at timestamptz not null default clock_timestamp(),
  created_at timestamptz not null default clock_timestamp(),
  -- Why it is not tried any more.
  given_up text,
  unique (key, platform, place)
);
create index chat_message_due on chat_message (next_at) where shown < version and given_up is null;
create index chat_message_where on chat_message (platform, channel, message);
