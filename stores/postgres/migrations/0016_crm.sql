-- The CRM where a project's leads are to be as contacts: one for each project.
create table crm_connections (
  project_id uuid primary key references projects on delete cascade,
  crm text not null check (crm in ('hubspot')),
  -- encrypted
  token text not null,
  last_four text not null,
  -- null: the CRM's own
  base_url text,
  -- {lead's value: contact's property}
  mapping jsonb not null,
  -- of a visitor: what becomes of the contact
  on_erasure text not null check (on_erasure in ('delete', 'keep')),
  updated_at timestamptz not null default now()
);

-- Where each lead stands there. One workflow at a time sends a lead: crm/<lead_id>/<run>.
create table contact_syncs (
  lead_id uuid primary key references leads on delete cascade,
  project_id uuid not null references projects on delete cascade,
  -- counts what was asked for; the workflow goes on until it has sent the last
  revision integer not null default 1,
  run integer not null default 1,
  status text not null default 'pending' check (status in ('pending', 'synced', 'failed')),
  -- in the CRM
  contact_id text,
  attempts integer not null default 0,
  -- why it failed, or the last attempt did
  error text,
  requested_at timestamptz not null default now(),
  -- when something was last done about it, or a sweep asked Temporal
  touched_at timestamptz not null default now(),
  finished_at timestamptz
);
create index contact_syncs_project on contact_syncs (project_id, lead_id desc);
create index contact_syncs_pending on contact_syncs (touched_at) where status = 'pending';

-- Of an erasure: {outcome, reason}, what became of the contact in the CRM.
alter table visitor_erasures add column contact jsonb;
