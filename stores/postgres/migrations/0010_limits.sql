-- Counters of rate limits, one row for each limit and caller. They may be lost: unlogged, and emptied by a crash of
-- PostgreSQL. The columns are those of the library that counts (stores/postgres/limits.ts).
create unlogged table rate_limits (
  -- the limit's name and the caller's hash
  key text primary key,
  points integer not null default 0,
  -- milliseconds since 1970
  expire bigint
-- Every call updates its row: with room in the page, the index is left alone.
) with (fillfactor = 50);

-- Tokens that turns under way may still use, of projects with a limit. A turn gives its row back when it is recorded.
create table token_reservations (
  turn_id uuid primary key references turns on delete cascade,
  project_id uuid not null references projects on delete cascade,
  -- for one attempt
  tokens integer not null,
  -- attempts whose use is not known: the one that runs, and those that were lost
  attempts integer not null default 1
);
create index token_reservations_project on token_reservations (project_id);
