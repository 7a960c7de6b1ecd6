-- What was said before the turns that a prompt holds in full, once for each stretch of a conversation.
create table conversation_summaries (
  conversation_id uuid not null references conversations on delete cascade,
  -- the position of the last turn that it takes in; with the summary before it, it takes in all earlier ones
  through integer not null,
  project_id uuid not null references projects on delete cascade,
  summary text not null,
  provider text not null,
  model text not null,
  prompt_tokens integer not null,
  completion_tokens integer not null,
  created_at timestamptz not null default now(),
  primary key (conversation_id, through)
);
create index conversation_summaries_project on conversation_summaries (project_id, created_at);

-- Tokens of making a follow-up question whole, beside those of the turn's attempts.
alter table turns
  add column rewrite_prompt_tokens integer not null default 0,
  add column rewrite_completion_tokens integer not null default 0;
