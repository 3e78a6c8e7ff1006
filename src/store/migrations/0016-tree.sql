-- The sequencer's own memory of the tree. Forward only.
set local search_path = countersign;

-- One row: how many records are in the tree, and the origin that its checkpoints are signed for.
create table tree_head (
  one boolean primary key default true check (one),
  size bigint not null default 0,
  origin text
);
insert into tree_head default values;

-- How far each writer's chain is in the tree. What is wrong with the record after that, if something is: none
-- of that writer follows then.
create table tree_writer (
  writer text primary key,
  seq bigint not null,
  hash bytea not null,
  problem text
);

-- Where a checkpoint was laid down outside the store.
create table tree_anchor (
  size bigint not null references tree_checkpoint,
  place text not null,
  at timestamptz not null default clock_timestamp(),
  primary key (size, place)
);
alter table tree_checkpoint add column witnessed_at timestamptz;
