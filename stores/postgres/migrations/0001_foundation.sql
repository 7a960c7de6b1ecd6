-- Ids are made by the server. Every table carries project_id, and every query applies it.

create table projects (
  id uuid primary key,
  name text not null,
  active boolean not null default true,
  -- provider, model, texts and thresholds: the shape is projectSettings in domain/projects.ts
  settings jsonb not null,
  created_at timestamptz not null default now()
);

create table api_keys (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  name text not null,
  -- publishable: made to stand in a page, chat only. secret: for servers. ordinary: the existing clients' one key,
  -- which a browser may use for chat only.
  kind text not null check (kind in ('ordinary', 'secret', 'publishable')),
  environment text not null check (environment in ('live', 'test')),
  scopes text[] not null,
  prefix text not null,
  hash bytea not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz
);
create index api_keys_project on api_keys (project_id);

create table idempotency_keys (
  project_id uuid not null references projects on delete cascade,
  operation text not null,
  key text not null,
  body_hash bytea not null,
  -- what the first call made: a turn or a document
  result_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (project_id, operation, key)
);

-- The outbox of workflow starts: written in the transaction of the row that it starts, deleted once Temporal has it.
create table dispatches (
  workflow_id text primary key,
  project_id uuid not null references projects on delete cascade,
  workflow_type text not null,
  input jsonb not null,
  attempts integer not null default 0,
  last_error text,
  -- Claiming a dispatch moves this forward: a lease, so that a claimer that dies gives it back.
  available_at timestamptz not null,
  created_at timestamptz not null default now()
);
create index dispatches_available on dispatches (available_at);

create table blobs (
  project_id uuid not null references projects on delete cascade,
  hash bytea not null,
  bytes bytea not null,
  created_at timestamptz not null default now(),
  primary key (project_id, hash)
);

create table documents (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  title text not null,
  source text not null,
  metadata jsonb not null default '{}',
  -- The version that answers; null while none is published. It is the final guard of what can be retrieved.
  current_version integer,
  latest_version integer not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create index documents_project on documents (project_id, created_at desc, id desc) where deleted_at is null;

create table document_versions (
  project_id uuid not null references projects on delete cascade,
  document_id uuid not null references documents on delete cascade,
  version integer not null,
  title text not null,
  mime_type text not null,
  size_bytes integer not null,
  content_hash bytea not null,
  status text not null check (status in ('queued', 'processing', 'ready', 'failed', 'cancelled')),
  step text check (step in ('chunking', 'embedding', 'indexing', 'publishing')),
  done_chunks integer not null default 0,
  total_chunks integer,
  error_code text,
  error_message text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- when a sweep last asked Temporal about it
  checked_at timestamptz,
  primary key (document_id, version)
);
create index document_versions_unfinished on document_versions (updated_at) where status in ('queued', 'processing');

create table chunks (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  document_id uuid not null references documents on delete cascade,
  version integer not null,
  ordinal integer not null,
  heading_path text[] not null,
  text text not null,
  -- UTF-16 offsets into the version's source text
  start_offset integer not null,
  end_offset integer not null,
  -- of the text that is embedded: the key of its embedding
  embedding_hash bytea not null,
  unique (document_id, version, ordinal)
);

-- Kept by content and model, so that Elasticsearch can be rebuilt without asking a provider again.
create table embeddings (
  project_id uuid not null references projects on delete cascade,
  model text not null,
  hash bytea not null,
  -- little-endian float32
  vector bytea not null,
  primary key (project_id, model, hash)
);
-- Random floats do not compress.
alter table embeddings alter column vector set storage external;

create table conversations (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  -- chosen by a client (contracts, sections 2 and 4); unique within its project only
  session_id text,
  created_at timestamptz not null default now(),
  unique (project_id, session_id)
);
create index conversations_project on conversations (project_id, created_at desc, id desc);

create table turns (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  conversation_id uuid not null references conversations on delete cascade,
  -- order within the conversation
  position integer not null,
  status text not null check (status in ('queued', 'running', 'answered', 'declined', 'cancelled', 'failed')),
  question text not null,
  reply text,
  sources jsonb not null default '[]',
  closest jsonb not null default '[]',
  confidence real,
  prompt_tokens integer not null default 0,
  completion_tokens integer not null default 0,
  error_code text,
  error_message text,
  -- the attempt whose text was recorded
  attempt integer,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  -- when a sweep last asked Temporal about it
  checked_at timestamptz,
  unique (conversation_id, position)
);
-- At most one running turn in a conversation, over any number of API processes.
create unique index turns_running on turns (conversation_id) where status = 'running';
create index turns_unfinished on turns (conversation_id, position) where status in ('queued', 'running');
create index turns_overdue on turns (started_at) where status = 'running';

-- Attempts are numbered here and not by Temporal, whose numbers begin at 1 again when an operator resets a workflow.
create table turn_attempts (
  turn_id uuid not null references turns on delete cascade,
  project_id uuid not null references projects on delete cascade,
  attempt integer not null,
  provider text not null,
  -- what was generated, once it is complete: recorded as the turn's answer, or left as a trace of a lost attempt
  outcome text check (outcome in ('answered', 'declined', 'cancelled')),
  reply text,
  sources jsonb,
  closest jsonb,
  confidence real,
  prompt_tokens integer,
  completion_tokens integer,
  created_at timestamptz not null default now(),
  primary key (turn_id, attempt)
);

-- Live frames are disposable: unlogged, and emptied by a crash of PostgreSQL.
create unlogged table frames (
  project_id uuid not null,
  turn_id uuid not null,
  attempt integer not null,
  seq integer not null,
  frame jsonb not null,
  created_at timestamptz not null default now(),
  primary key (turn_id, attempt, seq)
);
create index frames_created on frames (created_at);
