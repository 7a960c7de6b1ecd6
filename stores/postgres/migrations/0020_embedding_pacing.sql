-- When a provider may be asked for embeddings again, for everyone who calls it with the same key. Of no project:
-- providers limit keys, however many projects and workers use one.
create table embedding_paces (
  -- a hash of the provider, its address and the key
  key text primary key,
  -- the next free slot
  next_at timestamptz not null,
  -- The provider has refused calls (429) and is not asked before this.
  blocked_until timestamptz,
  -- refusals one after the other
  refusals integer not null default 0
);
