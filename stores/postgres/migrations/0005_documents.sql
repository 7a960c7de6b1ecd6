-- Versions of documents, their inputs, control over their ingestion, and test questions.

-- Documents that were taken in by one call.
create table document_batches (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  total integer not null,
  created_at timestamptz not null default now()
);

alter table documents
  -- A document that is switched off answers nothing and keeps its index.
  add column enabled boolean not null default true,
  add column batch_id uuid references document_batches on delete set null,
  -- How often its chunks were edited: each edit is a workflow of its own.
  add column edits integer not null default 0;
create index documents_batch on documents (batch_id) where batch_id is not null;

alter table document_versions
  add column filename text,
  -- The text that was read from the content, in blobs: chunks, offsets and quotes refer to it.
  add column text_hash bytea,
  -- Where each page begins in that text, in UTF-16 units; null where the format has no pages.
  add column page_starts integer[],
  -- ISO 639-1; null where the text is too short to tell.
  add column language text,
  -- Trying again after a failure is another run, a workflow of its own.
  add column run integer not null default 1,
  add column paused boolean not null default false,
  add column step_since timestamptz,
  -- When a step that failed is tried again.
  add column waiting_until timestamptz,
  -- Set once a later version answers and this one's content, text and chunks are gone.
  add column retired_at timestamptz,
  drop constraint document_versions_step_check,
  add constraint document_versions_step_check
    check (step in ('parsing', 'chunking', 'embedding', 'indexing', 'publishing'));
create index document_versions_content on document_versions (project_id, content_hash);
create index document_versions_text on document_versions (project_id, text_hash) where text_hash is not null;

alter table chunks
  -- The page that the chunk begins on, from 1.
  add column page integer,
  add column enabled boolean not null default true,
  -- Of an edited chunk: the embedding_hash that it had before, by which a later version finds the edit again.
  add column source_hash bytea;
create index chunks_embedding on chunks (project_id, embedding_hash);

-- What a project's retrieval is measured with.
create table test_questions (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  question text not null,
  expected_documents uuid[] not null,
  created_at timestamptz not null default now()
);
create index test_questions_project on test_questions (project_id, created_at, id);

create table evaluations (
  id uuid primary key,
  project_id uuid not null references projects on delete cascade,
  status text not null check (status in ('queued', 'running', 'done', 'failed')),
  questions integer not null,
  -- How many results of a search count as found.
  depth integer not null,
  -- Shares from 0 to 1 and the mean of 1 / rank; null until it is done.
  recall double precision,
  reciprocal_rank double precision,
  error_message text,
  created_at timestamptz not null default now(),
  finished_at timestamptz
);
create index evaluations_project on evaluations (project_id, created_at desc, id desc);

create table evaluation_results (
  evaluation_id uuid not null references evaluations on delete cascade,
  project_id uuid not null references projects on delete cascade,
  ordinal integer not null,
  question text not null,
  expected_documents uuid[] not null,
  -- The documents that were found, best first; null until this question was asked.
  found_documents uuid[],
  primary key (evaluation_id, ordinal)
);
