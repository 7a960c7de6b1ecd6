create table webhooks (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  url text not null,
  -- the types that it wants; empty: all, those of later versions too
  events text[] not null default '{}',
  enabled boolean not null default true,
  -- why it was turned off by us, for people
  disabled_reason text,
  -- encrypted: what deliveries are signed with
  secret text not null,
  created_at timestamptz not null default now()
);
create index webhooks_project on webhooks (project_id);

-- One event for one webhook, and what became of it.
create table webhook_deliveries (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  webhook_id uuid not null references webhooks on delete cascade,
  -- the same for every webhook and every replay: what a receiver knows a repeated event by
  event_id uuid not null,
  event_type text not null,
  -- what is sent, word for word
  payload jsonb not null,
  status text not null default 'pending' check (status in ('pending', 'delivered', 'failed')),
  attempts integer not null default 0,
  -- of the last attempt
  response_status integer,
  error text,
  created_at timestamptz not null default now(),
  finished_at timestamptz
);
create index webhook_deliveries_webhook on webhook_deliveries (webhook_id, created_at desc, id desc);
create index webhook_deliveries_created on webhook_deliveries (created_at);
