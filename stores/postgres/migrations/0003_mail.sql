-- Account mails belong to no project, and neither do the starts of their workflows.
alter table dispatches alter column project_id drop not null;

create table mails (
  id uuid primary key,
  project_id uuid references projects on delete cascade,
  template text not null,
  recipient text not null,
  language text not null,
  -- Encrypted, since codes are among them, and removed once the mail was sent or given up.
  params text,
  status text not null default 'queued' check (status in ('queued', 'sent', 'refused', 'failed')),
  -- why it is not sent, or was not at the last try
  reason text,
  attempts integer not null default 0,
  -- No use after this.
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  -- when a sweep last asked Temporal about it
  checked_at timestamptz
);
create index mails_project on mails (project_id, created_at desc);
create index mails_recipient on mails (recipient, created_at desc);
create index mails_queued on mails (expires_at) where status = 'queued';
create index mails_ended_badly on mails (ended_at) where status in ('refused', 'failed');
