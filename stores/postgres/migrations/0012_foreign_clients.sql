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
