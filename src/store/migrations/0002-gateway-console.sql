-- Where a gateway's own console is: only it can show the exact statement that it holds.
set local search_path = countersign;

alter table gateway add column console text;
