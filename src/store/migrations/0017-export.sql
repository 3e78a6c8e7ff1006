-- How far each place that records are sent to has got. Forward only.
set local search_path = countersign;

create table export_cursor (
  sink text primary key,
  -- The next entry of the tree that it gets.
  index bigint not null,
  at timestamptz not null default clock_timestamp()
);
