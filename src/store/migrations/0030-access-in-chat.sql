-- What people were told about a grant, so that each is said once whoever says it. Forward only.
set local search_path = countersign;

alter table access_grant
  -- When the start of one that was to start later was recorded.
  add column begun_at timestamptz,
  -- When its person was told that it ends soon.
  add column warned_at timestamptz,
  -- How often, and when last, reviewers were reminded of break-glass.
  add column reminders integer not null default 0,
  add column reminded_at timestamptz;
update access_grant set begun_at = starts_at where starts_at <= clock_timestamp();
