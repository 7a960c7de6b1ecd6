-- Visitors that were erased: what was removed, and that nothing is left. It does not say who they were.
create table visitor_erasures (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  lead_id uuid not null,
  -- the address, encrypted; removed with the last step
  subject text,
  -- whose histories are to be deleted
  workflow_ids text[] not null default '{}',
  requested_by text,
  requested_at timestamptz not null default now(),
  removed jsonb not null default '{}',
  -- what was looked for afterwards; all zeros
  remaining jsonb,
  finished_at timestamptz
);
create index visitor_erasures_project on visitor_erasures (project_id, requested_at desc);
-- One at a time.
create unique index visitor_erasures_open on visitor_erasures (lead_id) where finished_at is null;
