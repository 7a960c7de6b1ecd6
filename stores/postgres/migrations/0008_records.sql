-- What a visitor thought of the answer.
alter table turns add rating text check (rating in ('up', 'down'));
alter table turns add feedback text;

-- A question that an operator asked, to see what would be answered now: kept out of what visitors asked.
alter table conversations add test boolean not null default false;
-- The turn whose question was asked again.
alter table turns add repeats uuid references turns on delete set null;
create index turns_repeats on turns (repeats) where repeats is not null;

-- How a turn's passages were found: StoredExplanation in domain/retrieval.ts.
create table turn_retrievals (
  turn_id uuid primary key references turns on delete cascade,
  project_id uuid not null references projects on delete cascade,
  explanation jsonb not null
);

-- Ids are in the order of time: pages of a project's turns, and its counts.
create index turns_project on turns (project_id, id);

-- Full-text search in what was said. Without a language: stemming of the wrong one finds less. Only finished turns, so
-- that a turn's text is taken apart once.
create function turn_text(question text, reply text) returns tsvector language sql immutable parallel safe
  return to_tsvector('simple', question || ' ' || coalesce(reply, ''));
create index turns_text on turns using gin (turn_text(question, reply)) where finished_at is not null;

-- Questions that differ only in case, punctuation and spaces are one.
create function question_key(question text) returns text language sql immutable parallel safe
  return md5(trim(regexp_replace(lower(question), '[^[:alnum:]]+', ' ', 'g')));
create index turns_declined on turns (project_id, question_key(question), id) where status = 'declined';

-- A document that somebody wrote to answer an unanswered question.
create table question_answers (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  question_key text not null,
  document_id uuid not null unique references documents on delete cascade,
  -- the question, asked again once the document was ready
  turn_id uuid references turns on delete set null,
  created_at timestamptz not null default now()
);
create index question_answers_question on question_answers (project_id, question_key, created_at desc);
create index question_answers_turn on question_answers (turn_id) where turn_id is not null;
