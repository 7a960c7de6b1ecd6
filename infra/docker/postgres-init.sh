#!/bin/sh
# Runs once, when the data volume is new: a role and databases for Frontdesk, and for Temporal, which see nothing of
# each other's. Passwords reach psql as variables, which it quotes.
set -eu
psql --no-psqlrc --username "${POSTGRES_USER:-postgres}" --dbname postgres -v ON_ERROR_STOP=1 \
  -v frontdesk_password="$FRONTDESK_DATABASE_PASSWORD" -v temporal_password="$TEMPORAL_DATABASE_PASSWORD" <<'SQL'
create role frontdesk login password :'frontdesk_password';
create role temporal login password :'temporal_password';
create database frontdesk owner frontdesk;
create database temporal owner temporal;
create database temporal_visibility owner temporal;
revoke connect on database frontdesk, temporal, temporal_visibility from public;
SQL
