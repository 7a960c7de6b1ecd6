-- One lead for each address in a project; it exists once the address is verified.
create table leads (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  -- in lower case
  email text not null,
  name text not null,
  fields jsonb not null default '{}',
  -- {version, text, at}: what the visitor was shown before they gave the address
  consent jsonb,
  language text not null,
  status text not null default 'new' check (status in ('new', 'contacted', 'qualified', 'won', 'lost')),
  assignee text,
  tags text[] not null default '{}',
  created_at timestamptz not null default now(),
  verified_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (project_id, email)
);
create index leads_newest on leads (project_id, id desc);

create table lead_notes (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  lead_id uuid not null references leads on delete cascade,
  author text,
  text text not null,
  created_at timestamptz not null default now()
);
create index lead_notes_lead on lead_notes (lead_id, created_at);

-- Set when the address of whoever chats there is verified.
alter table conversations add column lead_id uuid references leads on delete set null;
create index conversations_lead on conversations (lead_id) where lead_id is not null;

create table lead_sessions (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  stage text not null check (stage in
    ('open', 'awaiting_name', 'awaiting_email', 'awaiting_otp', 'ready', 'expired', 'blocked')),
  name text,
  email text,
  fields jsonb not null default '{}',
  consent jsonb,
  language text not null,
  ip text not null,
  -- the newest code; also the id of its mail
  code_id uuid,
  lead_id uuid references leads on delete set null,
  conversation_id uuid references conversations on delete set null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  -- why it ended before it was ready
  reason text,
  checked_at timestamptz
);
create index lead_sessions_project on lead_sessions (project_id, created_at desc);
create index lead_sessions_lead on lead_sessions (lead_id) where lead_id is not null;
create index lead_sessions_waiting on lead_sessions (expires_at)
  where stage in ('awaiting_name', 'awaiting_email', 'awaiting_otp');

-- What visitors entered, stored before the workflow hears of it: its id is the update's.
create table lead_inputs (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  session_id uuid not null references lead_sessions on delete cascade,
  kind text not null check (kind in ('name', 'email', 'code', 'resend', 'question')),
  -- of a code its keyed hash
  value text not null,
  -- what became of it, once something has
  outcome jsonb,
  -- Until then a call works on it. A repeated call takes over what an earlier one left behind.
  held_until timestamptz not null,
  delivered boolean not null default false,
  -- of a question: where it was answered
  turn_id uuid,
  created_at timestamptz not null default now()
);
create index lead_inputs_session on lead_inputs (session_id, created_at);

create table lead_codes (
  -- that of the input which asked for it
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  session_id uuid not null references lead_sessions on delete cascade,
  email text not null,
  ip text not null,
  hash text not null,
  wrong_tries integer not null default 0,
  used_at timestamptz,
  created_at timestamptz not null default now()
);
create index lead_codes_project on lead_codes (project_id, created_at);
