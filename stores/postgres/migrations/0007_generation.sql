-- A project's own access to a provider. The key is encrypted (encryption.ts), its id stands in front of it; the context is
-- `provider_keys/<project>/<provider>`, so that a copied row does not open in another project.
create table provider_keys (
  project_id uuid not null references projects on delete cascade,
  provider text not null check (provider in ('openai', 'groq', 'ollama', 'gemini')),
  -- null where the address needs no key
  secret text,
  last_four text,
  -- chosen by a customer: called through safeFetch only, and never with a key of the server's
  base_url text,
  updated_at timestamptz not null default now(),
  primary key (project_id, provider),
  check (secret is not null or base_url is not null)
);

-- What was used, and why it ended without an answer: a turn that fails at its deadline names it.
alter table turn_attempts
  add column model text,
  add column error_code text,
  add column error_message text;

alter table turns
  -- the page that the visitor was on: {url, title}, as the page told it
  add column page jsonb,
  -- what was searched for, where that is not the question as it was asked
  add column search_query text;
