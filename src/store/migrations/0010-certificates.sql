-- Client certificates that the gateway has issued, and what a terminal's token depends on.
set local search_path = countersign;

-- A certificate ends with its token, which opens nothing else: nobody has its secret.
create table client_certificate (
  -- Of the DER form.
  sha256 bytea primary key,
  token uuid not null references token (id),
  -- PEM of the authority that signed it: each gateway may have its own.
  authority text not null,
  expires_at timestamptz not null
);
create index client_certificate_token on client_certificate (token);

-- The token that the person had signed in to the console with: what they confirm ends with it.
alter table device_login add column parent uuid references token (id);

-- A token is live as long as all that it came from: sign-in, terminal, certificate are a chain.
create function token_live(t token) returns boolean language plpgsql stable
  set search_path = countersign, pg_catalog, pg_temp as $$
begin
  loop
    if t.id is null or t.revoked_at is not null or t.expires_at <= clock_timestamp() then
      return false;
    end if;
    exit when t.parent is null;
    select * into t from token p where p.id = t.parent;
  end loop;
  return true;
end $$;
