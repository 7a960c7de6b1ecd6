import type { Logger } from 'pino';
import type { MailTransport } from '../providers/mail/transport.ts';
import type { Providers } from '../providers/registry.ts';
import type { Retriever } from '../retrieval/retriever.ts';
import type { Spaces } from '../retrieval/spaces.ts';
import type { Stores } from '../stores/postgres/index.ts';
import type { Dispatcher } from '../temporal/dispatcher.ts';
import type { RecordedTurn } from '../telemetry/metrics.ts';
import type { CrawlSchedules } from '../temporal/crawl-schedules.ts';
import { createSummaryActivities } from './chat/summary.ts';
import { createChatActivities } from './chat/turn.ts';
import { createCrmActivities } from './crm/contacts.ts';
import { readableFailures } from './failures.ts';
import { createDeletionActivities } from './ingestion/delete.ts';
import { createIngestionActivities } from './ingestion/ingest.ts';
import { createErasureActivities } from './leads/erasure.ts';
import { createLeadActivities } from './leads/verification.ts';
import { createEvaluationActivities } from './evaluations/evaluate.ts';
import { createMailActivities } from './mails/send.ts';
import { createProjectDeletionActivities } from './projects/delete.ts';
import { createQuestionActivities } from './questions/answer.ts';
import { createRebuildActivities } from './rebuilds/rebuild.ts';
import { createRetentionActivities } from './retention/apply.ts';
import { createWebhookActivities } from './webhooks/send.ts';
import { createParser } from './ingestion/parser.ts';
import { createVersionActivities } from './ingestion/versions.ts';
import { createCrawlActivities } from './sources/crawl.ts';
import { createSourceSyncActivities } from './sources/sync.ts';

export interface ActivityDependencies {
  stores: Stores;
  /** Each project's embeddings and index. */
  spaces: Spaces;
  retriever: Retriever;
  providers: Providers;
  dispatcher: Dispatcher;
  mailTransport: MailTransport;
  /** Calls addresses that customers chose (outbound/safe-fetch.ts). */
  safeFetch: typeof fetch;
  crawlSchedules: CrawlSchedules;
  /** Largest document, in bytes. */
  maxContentBytes: number;
  logger: Logger;
  /** Told of each turn once, when its outcome is recorded. */
  onTurn: (turn: RecordedTurn) => void;
}

export type Activities = ReturnType<typeof createActivities>;

/** All that the workflows do to the world. Every activity may run again: what it did before, it does not do twice. */
export function createActivities(deps: ActivityDependencies) {
  return readableFailures({
    ...createChatActivities(deps),
    ...createSummaryActivities(deps),
    ...createIngestionActivities({ ...deps, parser: createParser() }),
    ...createVersionActivities(deps),
    ...createDeletionActivities(deps),
    ...createLeadActivities(deps),
    ...createEvaluationActivities(deps),
    ...createRebuildActivities(deps),
    ...createErasureActivities(deps),
    ...createCrmActivities(deps),
    ...createMailActivities(deps),
    ...createProjectDeletionActivities(deps),
    ...createWebhookActivities(deps),
    ...createQuestionActivities(deps),
    ...createRetentionActivities(deps),
    ...createCrawlActivities(deps),
    ...createSourceSyncActivities(deps),
  });
}
