-- Sessions that somebody has ended: who and why, for the gateway that has them, and lists of sessions. Forward only.
set local search_path = countersign;

alter table session add column ended_by text, add column ended_why text;
create index session_ended_by on session (gateway, epoch) where ended_by is not null;
create index session_started on session (started_at desc, id desc);
create index session_person on session (person, started_at desc, id desc);
