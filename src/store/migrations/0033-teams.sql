-- Where the bot is in Microsoft Teams, whom it has met there, and the forms that are open. Forward only.
set local search_path = countersign;

create table teams_place (
  tenant text not null,
  -- Teams' conversation, without a message: a channel, a group chat, or one person's chat with the bot.
  conversation text not null,
  -- Whoever the chat is with, by Entra's object id; null where several are.
  person text,
  -- Where Teams takes what is said there, and what it calls the bot there.
  service_url text not null,
  bot text not null,
  seen_at timestamptz not null default clock_timestamp(),
  primary key (tenant, conversation)
);
create index teams_place_person on teams_place (tenant, person) where person is not null;

create table teams_person (
  tenant text not null,
  -- Entra's object id.
  person text not null,
  -- A conversation that both are in: there Teams is asked who that is now.
  conversation text not null,
  -- What Teams calls that person.
  teams_id text not null,
  primary key (tenant, person)
);

create table teams_form (
  id uuid primary key default gen_random_uuid(),
  -- Whoever it was shown to; nobody else sends it in.
  tenant text not null,
  person text not null,
  form jsonb not null,
  -- Where it was opened.
  place jsonb not null,
  at timestamptz not null default clock_timestamp()
);
create index teams_form_at on teams_form (at);
