-- Accounts belong to people, workspaces to teams, projects to workspaces.

create table users (
  id uuid primary key,
  -- lower case; it was verified when the row was made
  email text not null unique,
  name text not null,
  password_hash text not null,
  platform_admin boolean not null default false,
  suspended_at timestamptz,
  created_at timestamptz not null default now()
);

-- Six-digit codes. A registration waits here, with its name and password, until its address is proved: what somebody
-- else registers under an address never becomes part of its owner's account.
create table account_codes (
  id uuid primary key,
  purpose text not null check (purpose in ('registration', 'password_reset')),
  email text not null,
  user_id uuid references users on delete cascade,
  name text,
  password_hash text,
  -- keyed with a secret from the environment: a million codes are soon tried
  code_hash bytea not null,
  tries integer not null default 0,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index account_codes_email on account_codes (email, purpose, created_at desc);

-- A session is a family of refresh tokens, of which the newest is good.
create table sessions (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_reason text
);
create index sessions_user on sessions (user_id);

create table refresh_tokens (
  hash bytea primary key,
  session_id uuid not null references sessions on delete cascade,
  created_at timestamptz not null default now(),
  used_at timestamptz
);
create index refresh_tokens_session on refresh_tokens (session_id);

-- What slows guessing down: failures by address and network, and by address over all networks that it never signed in
-- from. An owner's own network keeps a count of its own, so an attacker elsewhere cannot lock it out.
create table sign_in_failures (
  email text not null,
  -- an IP address, or '*' for all those that are not known
  network text not null,
  failures integer not null,
  blocked_until timestamptz,
  updated_at timestamptz not null,
  primary key (email, network)
);
create table known_networks (
  user_id uuid not null references users on delete cascade,
  network text not null,
  seen_at timestamptz not null,
  primary key (user_id, network)
);

create table workspaces (
  id uuid primary key,
  name text not null,
  created_at timestamptz not null default now()
);

create table memberships (
  workspace_id uuid not null references workspaces on delete cascade,
  user_id uuid not null references users on delete cascade,
  role text not null check (role in ('viewer', 'editor', 'admin', 'owner')),
  created_at timestamptz not null default now(),
  primary key (workspace_id, user_id)
);
create index memberships_user on memberships (user_id);

create table invitations (
  id uuid primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  email text not null,
  role text not null check (role in ('viewer', 'editor', 'admin')),
  token_hash bytea not null unique,
  invited_by uuid references users on delete set null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  accepted_at timestamptz,
  revoked_at timestamptz
);
create index invitations_workspace on invitations (workspace_id, created_at desc);

-- Null: a project that the server made for itself (the demo), and no member sees.
alter table projects add column workspace_id uuid references workspaces;
-- Deleted projects answer nobody from then on; a workflow removes what they hold.
alter table projects add column deleted_at timestamptz;
create index projects_workspace on projects (workspace_id, created_at);

alter table api_keys add column last_used_at timestamptz;
-- When an ordinary key was first sent from a page: since then everybody can read it there.
alter table api_keys add column public_since timestamptz;
alter table api_keys add column created_by uuid references users on delete set null;

-- No foreign keys: it outlives what it tells of. Ids and words, no secrets and no visitors' data.
create table audit_log (
  id uuid primary key,
  workspace_id uuid,
  project_id uuid,
  actor_type text not null check (actor_type in ('user', 'api_key', 'operator', 'system')),
  actor_id uuid,
  action text not null,
  object_type text not null,
  object_id uuid,
  ip inet,
  details jsonb not null default '{}',
  created_at timestamptz not null default now()
);
create index audit_log_workspace on audit_log (workspace_id, created_at desc, id desc);
create index audit_log_project on audit_log (project_id, created_at desc, id desc);

-- What a deletion removed, kept when the project is gone.
create table project_deletions (
  project_id uuid primary key,
  workspace_id uuid,
  requested_by uuid,
  requested_at timestamptz not null default now(),
  -- counts by kind, and what was still there when it was looked for afterwards
  removed jsonb not null default '{}',
  remaining jsonb,
  finished_at timestamptz
);
