-- What many records have in common: the effects of a statement, whose groups it was judged with. It holds names only.
set local search_path = countersign;

create table record_shared (
  -- The first 16 bytes of SHA-256 over the text, in base64url; records name it by this.
  digest text primary key,
  text text not null
);
create trigger append_only before update or delete on record_shared for each row execute function refuse_change();
create trigger append_only_all before truncate on record_shared for each statement execute function refuse_change();
