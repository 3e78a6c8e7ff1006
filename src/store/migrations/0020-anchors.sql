-- Where a laid down checkpoint can be found again, and who lays the next one down. Forward only.
set local search_path = countersign;

-- A commit, or a message; null where the place does not say.
alter table tree_anchor add column reference text;
create index tree_anchor_place on tree_anchor (place, at desc);

-- One process at a time lays a checkpoint down in a place; what went wrong with it, and since when.
create table anchor_turn (
  place text primary key,
  until timestamptz not null,
  failures integer not null default 0,
  problem text,
  since timestamptz
);
