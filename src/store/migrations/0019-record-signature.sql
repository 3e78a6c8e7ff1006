-- What each writer signs of its own chain, and what the sequencer knows of that. Forward only.
set local search_path = countersign;

-- A signature over the record `seq` of a writer, and so over every one before it. Written once.
create table record_signature (
  writer text not null,
  seq bigint not null,
  -- Id of the key as in a signed note: 8 hex digits.
  key text not null,
  signature bytea not null,
  at timestamptz not null default clock_timestamp(),
  primary key (writer, seq)
);
create trigger append_only before update or delete on record_signature for each row execute function refuse_change();
create trigger append_only_all before truncate on record_signature for each statement execute function refuse_change();

-- The verifier key that the writer has announced last; null when it has announced none.
alter table tree_writer add column key text;
-- What is wrong with its signatures. It stays; its records are placed all the same.
alter table tree_writer add column flag text;
