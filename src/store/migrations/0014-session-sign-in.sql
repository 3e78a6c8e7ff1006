-- Sign-ins that people make anew in the console for one of their database sessions.
set local search_path = countersign;

create table session_sign_in (
  -- The last one of a session counts.
  session uuid primary key references session on delete cascade,
  -- Whose end ends it; the same browser's next sign-in takes it over.
  sign_in uuid not null references sign_in on delete cascade,
  -- As the provider told; never after it came here.
  auth_time timestamptz not null,
  acr text,
  amr text[]
);
create index session_sign_in_sign_in on session_sign_in (sign_in);
