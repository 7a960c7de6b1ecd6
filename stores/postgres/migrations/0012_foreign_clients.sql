-- What the clients of other systems need beside projects, documents and conversations.

-- A browser that carries a token of ours from page to page.
create table visitor_sessions (
  token_hash bytea primary key,
  project_id uuid not null references projects on delete cascade,
  conversation_id uuid references conversations on delete set null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index visitor_sessions_project on visitor_sessions (project_id, expires_at);
create index visitor_sessions_conversation on visitor_sessions (conversation_id);

-- The sites whose pages are known by their host alone: they send no key (the assistants proxy).
create table hosts (
  -- lower case, without "www." and without a port
  host text primary key,
  project_id uuid not null references projects on delete cascade,
  -- who is written to when a visitor leaves an address
  lead_recipients text[] not null default '{}',
  created_at timestamptz not null default now()
);
create index hosts_project on hosts (project_id);

-- How visitors of a project sign in, for the SmartChat widget.
create table visitor_logins (
  project_id uuid primary key references projects on delete cascade,
  -- what is not secret: visitorLogin in domain/visitor-logins.ts
  settings jsonb not null default '{}',
  -- encrypted: headers of the site's own login call, and what signs the visitors' tokens
  extra_headers text,
  secret text
);

-- Conversations of that widget. Their history is read with the session's id alone, as its client does.
create table widget_conversations (
  conversation_id uuid primary key references conversations on delete cascade,
  project_id uuid not null references projects on delete cascade,
  -- who a signed token says that the visitor is; null: nobody said
  user_id text,
  user_name text,
  user_email text
);
create index widget_conversations_project on widget_conversations (project_id);
create index conversations_session on conversations (session_id) where session_id is not null;

-- Databases that a project's assistant may be allowed to ask, and tools that it may be given.
create table db_connections (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  name text not null,
  -- what is not secret: dbConnection in domain/tools.ts
  settings jsonb not null,
  -- encrypted: password and connection string
  secrets text not null,
  created_at timestamptz not null default now(),
  unique (project_id, name)
);
create table tools (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  name text not null,
  db_connection_id uuid references db_connections on delete set null,
  -- what is not secret: tool in domain/tools.ts
  settings jsonb not null,
  -- encrypted: it may hold keys of the called service
  config text not null,
  created_at timestamptz not null default now(),
  unique (project_id, name)
);
create index tools_db_connection on tools (db_connection_id);
