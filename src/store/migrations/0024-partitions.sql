-- Bodies of records by month, so that a month that nobody may keep any longer is dropped at once. Forward only.
set local search_path = countersign;

alter table record_body rename to record_body_first;
drop trigger append_only on record_body_first;
drop trigger only_erasure on record_body_first;
drop trigger append_only_all on record_body_first;
drop trigger search_forget on record_body_first;
alter table record_body_first drop constraint record_body_pkey;
alter index record_body_at rename to record_body_first_at;
alter index record_body_statement rename to record_body_first_statement;
alter index record_body_request rename to record_body_first_request;
alter index record_body_session rename to record_body_first_session;
alter index record_body_unfinished rename to record_body_first_unfinished;
-- The erasure that has taken salt and body away.
alter table record_body_first add column erased_by uuid;

create table record_body (like record_body_first including defaults) partition by range (at);
-- `record` sees to it that an id is there once.
alter table record_body add primary key (id, at);
create index record_body_at on record_body (at desc, id);
create index record_body_statement on record_body (statement) where statement is not null;
create index record_body_request on record_body (request) where request is not null;
create index record_body_session on record_body (session, at) where session is not null;
create index record_body_unfinished on record_body (writer, epoch, kind);
create index record_body_erased on record_body (erased_by) where erased_by is not null;
create trigger append_only before delete on record_body for each row execute function refuse_change();
create trigger only_erasure before update on record_body for each row execute function refuse_all_but_erasure();
create trigger append_only_all before truncate on record_body for each statement execute function refuse_change();

create trigger search_forget after update on record_body referencing old table as erased_before new table as erased_now
  for each statement execute function search_forget();

-- Where a clock that has jumped puts its records.
create table record_body_default partition of record_body default;
create trigger append_only_all before truncate on record_body_default for each statement execute function refuse_change();

do $$
declare
  month timestamptz := (date_trunc('month', clock_timestamp() at time zone 'UTC') + interval '1 month') at time zone 'UTC';
begin
  if not exists (select from record_body_first) then
    drop table record_body_first;
    return;
  end if;
  insert into record_body select * from record_body_first where at >= month;
  delete from record_body_first where at >= month;
  alter table record_body_first alter column at set not null, add primary key (id, at);
  execute format('alter table record_body attach partition record_body_first for values from (minvalue) to (%L)', month);
  create trigger append_only_all before truncate on record_body_first for each statement execute function refuse_change();
end $$;

-- The month that this time is in, and its bounds, are those of UTC.
create function month_of(at timestamptz) returns timestamptz language sql immutable set search_path = pg_catalog, pg_temp as
  $$ select date_trunc('month', at at time zone 'UTC') at time zone 'UTC' $$;

-- Makes one month of a table that is partitioned by time. Not for the gateway's role: make_months calls it.
create function make_month(parent text, month timestamptz) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  part text := parent || to_char(month at time zone 'UTC', '_YYYY_MM');
begin
  execute format('create table countersign.%I (like countersign.%I including defaults including constraints)', part, parent);
  execute format('alter table countersign.%I attach partition countersign.%I for values from (%L) to (%L)',
    parent, part, month, (month at time zone 'UTC' + interval '1 month') at time zone 'UTC');
  if exists (select from pg_trigger where tgrelid = format('countersign.%I', parent)::regclass and tgname = 'append_only_all') then
    execute format('create trigger append_only_all before truncate on countersign.%I for each statement
      execute function countersign.refuse_change()', part);
  end if;
end $$;

-- Makes this month and the next two of every table that is partitioned by time, by the store's own clock. It takes nothing
-- that a caller could choose, so the gateway's role may call it. What a clock had put into the default partition too early
-- goes where it belongs. Gives the number of months that were made.
create function make_months() returns integer language plpgsql security definer
  set search_path = pg_catalog, pg_temp set lock_timeout = '3s' as $$
declare
  parent text;
  month timestamptz;
  made integer := 0;
begin
  for parent in
    select c.relname from pg_partitioned_table p join pg_class c on c.oid = p.partrelid
    where c.relnamespace = 'countersign'::regnamespace and p.partstrat = 'r' and p.partdefid <> 0
    order by 1
  loop
    for i in 0..2 loop
      month := (date_trunc('month', clock_timestamp() at time zone 'UTC') + i * interval '1 month') at time zone 'UTC';
      continue when to_regclass(format('countersign.%I', parent || to_char(month at time zone 'UTC', '_YYYY_MM'))) is not null;
      begin
        perform countersign.make_month(parent, month);
        made := made + 1;
      exception
        -- An older partition covers it.
        when invalid_object_definition then null;
        when check_violation then
          perform countersign.empty_default(parent, month);
          made := made + 1;
      end;
    end loop;
  end loop;
  return made;
end $$;

-- The default partition has records of a month that is to be made: they move into it.
create function empty_default(parent text, month timestamptz) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  part text := (select c.relname from pg_partitioned_table p join pg_class c on c.oid = p.partdefid
    where p.partrelid = format('countersign.%I', parent)::regclass);
  old bigint;
  new bigint;
begin
  execute format('alter table countersign.%I detach partition countersign.%I', parent, part);
  perform countersign.make_month(parent, month);
  execute format('alter table countersign.%I rename to %I', part, part || '_old');
  -- Its indexes keep their names, which the new one's must not meet.
  execute format('create table countersign.%I (like countersign.%I including defaults including constraints)', part, parent);
  execute format('alter table countersign.%I attach partition countersign.%I default', parent, part);
  execute format('insert into countersign.%I select * from countersign.%I', parent, part || '_old');
  get diagnostics new = row_count;
  execute format('select count(*) from countersign.%I', part || '_old') into old;
  if old <> new then raise exception 'not all of % were moved', part; end if;
  execute format('drop table countersign.%I', part || '_old');
  if exists (select from pg_trigger where tgrelid = format('countersign.%I', parent)::regclass and tgname = 'append_only_all') then
    execute format('create trigger append_only_all before truncate on countersign.%I for each statement
      execute function countersign.refuse_change()', part);
  end if;
end $$;

revoke execute on function make_month(text, timestamptz), empty_default(text, timestamptz), make_months() from public;
select make_months();
