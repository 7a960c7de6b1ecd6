-- Tokens by month (UTC), written when a turn is recorded. They stay when conversations are removed.
create table token_usage (
  project_id uuid not null references projects on delete cascade,
  month date not null,
  prompt_tokens bigint not null default 0,
  completion_tokens bigint not null default 0,
  -- of attempts that were lost before their use was known: what had been reserved for them
  lost_tokens bigint not null default 0,
  primary key (project_id, month)
);

insert into token_usage (project_id, month, prompt_tokens, completion_tokens)
select project_id, date_trunc('month', finished_at at time zone 'UTC')::date,
  sum(prompt_tokens), sum(completion_tokens)
from turns where finished_at is not null group by 1, 2;

-- Calls by project, route and day (UTC).
create table endpoint_usage (
  project_id uuid not null references projects on delete cascade,
  day date not null,
  -- "GET /documents/:documentId"
  route text not null,
  calls bigint not null default 0,
  -- of these, refused or failed
  errors bigint not null default 0,
  primary key (project_id, day, route)
);

create index turns_project_time on turns (project_id, created_at);
