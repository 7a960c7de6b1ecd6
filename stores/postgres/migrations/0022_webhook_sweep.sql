-- When something was last done about a delivery, or a sweep asked Temporal.
alter table webhook_deliveries add column touched_at timestamptz not null default now();
create index webhook_deliveries_pending on webhook_deliveries (touched_at) where status = 'pending';
