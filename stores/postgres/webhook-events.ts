import type { PendingQuery, Row } from 'postgres';
import { webhookWorkflowPrefix } from '../../domain/flows.ts';
import type { WebhookEvent } from '../../domain/webhooks.ts';
import type { Query } from './client.ts';
import { asJson } from './json.ts';

/**
 * Tells the project's webhooks of what this transaction did: one delivery, and the dispatch of its workflow, for each
 * that wants the event. A sweep starts them, so the caller has nothing to do after its commit. One statement, whatever
 * the number of webhooks. It is the query itself and not a promise of it, so that it keeps its place among statements
 * that travel together.
 */
export function insertWebhookEvent(
  tx: Query,
  projectId: string,
  type: WebhookEvent,
  data: Record<string, unknown>,
): PendingQuery<Row[]> {
  return insertWebhookEvents(
    tx,
    projectId,
    tx`select ${type}::text as type, ${asJson(tx, data)}::jsonb as data`,
  );
}

/** The same for the rows (type text, data jsonb) of a query, where only PostgreSQL knows what there is to tell. */
export function insertWebhookEvents(
  tx: Query,
  projectId: string,
  events: PendingQuery<Row[]>,
): PendingQuery<Row[]> {
  return tx`
    with event as materialized (select gen_random_uuid() as id, type, data from (${events}) as happened),
    delivery as (
      insert into webhook_deliveries (id, project_id, webhook_id, event_id, event_type, payload)
      select gen_random_uuid(), w.project_id, w.id, e.id, e.type, jsonb_build_object('type', e.type,
        'timestamp', to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'data', e.data)
      from event e join webhooks w on w.enabled and (w.events = '{}' or e.type = any (w.events))
      where w.project_id = ${projectId}
      returning id, project_id)
    insert into dispatches (workflow_id, project_id, workflow_type, input, available_at)
    select ${webhookWorkflowPrefix}::text || id, project_id, 'deliverWebhook',
      jsonb_build_object('projectId', project_id, 'deliveryId', id), now()
    from delivery`;
}
