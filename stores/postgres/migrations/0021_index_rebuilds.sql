-- Moving a project to another embedding model: its documents are embedded and indexed a second time beside the first.
create table index_rebuilds (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  -- counts a project's rebuilds from 1
  number integer not null,
  status text not null check (status in ('queued', 'filling', 'comparing', 'switched', 'rolling_back',
    'done', 'rolled_back', 'kept', 'cancelled', 'failed')),
  -- {provider, model, dimensions}
  from_model jsonb not null,
  to_model jsonb not null,
  -- How much of the recall may be lost; null where it is switched without a comparison.
  tolerance double precision,
  done_documents integer not null default 0,
  total_documents integer,
  evaluation_before uuid references evaluations on delete set null,
  evaluation_after uuid references evaluations on delete set null,
  recall_before double precision,
  recall_after double precision,
  waiting_until timestamptz,
  -- why it waits, or how it ended
  message text,
  -- Until then the vectors from before are kept.
  rollback_until timestamptz,
  created_at timestamptz not null default now(),
  switched_at timestamptz,
  finished_at timestamptz,
  updated_at timestamptz not null default now(),
  -- when a sweep last asked Temporal about it
  checked_at timestamptz,
  unique (project_id, number)
);
create unique index index_rebuilds_open on index_rebuilds (project_id)
  where status in ('queued', 'filling', 'comparing', 'switched', 'rolling_back');

-- The embedding spaces ("model dimensions") whose indices hold all of this version. Empty for versions from before.
alter table document_versions add column indexed_in text[] not null default '{}';

-- The embedding model that was asked, where it was not the project's own at that time.
alter table evaluations add column embedding_model text;
