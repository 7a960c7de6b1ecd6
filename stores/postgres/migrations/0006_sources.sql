-- Pages of the web that become documents, and their crawls.

create table sources (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  kind text not null check (kind in ('url', 'sitemap', 'site')),
  url text not null,
  -- limits, hosts, patterns, pace: the shape is sourceSettings in domain/sources.ts
  settings jsonb not null,
  -- when it is crawled again: crawlSchedule in domain/sources.ts; null where it is not
  schedule jsonb,
  -- Each change of the schedule, and the deletion, is carried to Temporal by a workflow of its own.
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create index sources_project on sources (project_id, created_at desc, id desc) where deleted_at is null;

create table source_runs (
  project_id uuid not null references projects on delete cascade,
  source_id uuid not null references sources on delete cascade,
  run integer not null,
  -- A scheduled crawl has the name that the schedule gives it.
  workflow_id text not null unique,
  trigger text not null check (trigger in ('api', 'schedule')),
  status text not null check (status in ('queued', 'running', 'paused', 'done', 'failed', 'cancelled')),
  -- pages found, which may not become more than the source's limit
  found integer not null default 0,
  -- Not all of the source was seen: it has more pages than its limit, or a sitemap could not be read.
  partial boolean not null default false,
  -- by state, once the crawl has ended; until then they are counted
  counts jsonb,
  error_code text,
  error_message text,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  updated_at timestamptz not null default now(),
  -- when a sweep last asked Temporal about it
  checked_at timestamptz,
  primary key (source_id, run)
);
-- At most one crawl of a source, whoever started it.
create unique index source_runs_open on source_runs (source_id) where status in ('queued', 'running', 'paused');
create index source_runs_unfinished on source_runs (updated_at) where status in ('queued', 'running', 'paused');

-- The frontier of the crawl under way, and what is known of each page from the crawls before.
create table source_pages (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  source_id uuid not null references sources on delete cascade,
  url text not null,
  host text not null,
  -- the order in which pages were found
  position bigint generated always as identity,
  -- the last crawl that found it
  run integer not null,
  -- links away from the start page
  depth integer not null,
  waiting boolean not null default true,
  tries integer not null default 0,
  not_before timestamptz,
  -- what the last visit found, and why
  state text check (state in ('new', 'changed', 'unchanged', 'gone', 'failed', 'skipped')),
  reason text,
  etag text,
  last_modified text,
  content_hash bytea,
  -- Followed when the page is unchanged or cannot be read, so that what it leads to does not vanish with it.
  links text[] not null default '{}',
  document_id uuid references documents on delete set null,
  visited_at timestamptz,
  unique (source_id, url)
);
create index source_pages_run on source_pages (source_id, run, state);
create index source_pages_waiting on source_pages (source_id, depth, position) where waiting;
create index source_pages_content on source_pages (source_id, content_hash) where document_id is not null;
create index source_pages_document on source_pages (document_id) where document_id is not null;

-- When a host may be asked next. Of no project: politeness is to the host, however many crawl it.
create table crawled_hosts (
  host text primary key,
  next_at timestamptz not null
);
