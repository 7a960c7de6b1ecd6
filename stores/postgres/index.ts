import type { Encryption } from '../../encryption.ts';
import { createAccountCodeStore } from './account-codes.ts';
import { createAnalyticsStore } from './analytics.ts';
import { createAuditStore } from './audit.ts';
import { createBlobStore } from './blobs.ts';
import { createChunkStore } from './chunks.ts';
import type { Sql } from './client.ts';
import { createContactSyncStore } from './contact-syncs.ts';
import { createConversationStore } from './conversations.ts';
import { createCrmConnectionStore } from './crm-connections.ts';
import { createDbConnectionStore } from './db-connections.ts';
import { createDiagnosticsStore } from './diagnostics.ts';
import { createDispatchStore } from './dispatches.ts';
import { createDocumentVersionStore } from './document-versions.ts';
import { createDocumentStore } from './documents.ts';
import { createEmbeddingPaceStore } from './embedding-paces.ts';
import { createEmbeddingStore } from './embeddings.ts';
import { createExplanationStore } from './explanations.ts';
import { createEvaluationStore } from './evaluations.ts';
import { createFeedbackStore } from './feedback.ts';
import { createFrameStore } from './frames.ts';
import { createHostStore } from './hosts.ts';
import { createKeyStore } from './keys.ts';
import { createLeadMessageStore } from './lead-messages.ts';
import { createLeadSessionStore } from './lead-sessions.ts';
import { createLeadStepStore } from './lead-steps.ts';
import { createLeadStore } from './leads.ts';
import { createLimitStore } from './limits.ts';
import { createMailStore } from './mails.ts';
import { createOverdueStore } from './overdue.ts';
import { createProjectDeletionStore } from './project-deletions.ts';
import { createProjectStore } from './projects.ts';
import { createQuestionStore } from './questions.ts';
import { createRebuildStore } from './rebuilds.ts';
import { createRetentionStore } from './retention.ts';
import { createSessionStore } from './sessions.ts';
import { createSignInFailureStore } from './sign-in-failures.ts';
import { createProviderKeyStore } from './provider-keys.ts';
import { createSourcePageStore } from './source-pages.ts';
import { createSourceRunStore } from './source-runs.ts';
import { createSourceStore } from './sources.ts';
import { createSummaryStore } from './summaries.ts';
import { createToolStore } from './tools.ts';
import { createTurnStore } from './turns.ts';
import { createVisitorDataStore } from './visitor-data.ts';
import { createVisitorErasureStore } from './visitor-erasures.ts';
import { createUsageStore } from './usage.ts';
import { createUserStore } from './users.ts';
import { createVisitorLoginStore } from './visitor-logins.ts';
import { createVisitorSessionStore } from './visitor-sessions.ts';
import { createWebhookStore } from './webhooks.ts';
import { createWidgetConversationStore } from './widget-conversations.ts';
import { createWorkspaceStore } from './workspaces.ts';

export type Stores = ReturnType<typeof createStores>;

/**
 * Every store function takes the project's id first and applies it; finding a key, the sweeps and the diagnostics are
 * the exceptions. Secrets at rest go through `encryption`.
 */
export function createStores(sql: Sql, encryption: Encryption) {
  return {
    users: createUserStore(sql),
    accountCodes: createAccountCodeStore(sql, encryption),
    sessions: createSessionStore(sql),
    signInFailures: createSignInFailureStore(sql),
    workspaces: createWorkspaceStore(sql, encryption),
    projects: createProjectStore(sql),
    projectDeletions: createProjectDeletionStore(sql),
    keys: createKeyStore(sql, encryption),
    hosts: createHostStore(sql),
    audit: createAuditStore(sql),
    providerKeys: createProviderKeyStore(sql, encryption),
    documents: { ...createDocumentStore(sql), ...createDocumentVersionStore(sql) },
    chunks: createChunkStore(sql),
    embeddings: createEmbeddingStore(sql),
    embeddingPaces: createEmbeddingPaceStore(sql),
    evaluations: createEvaluationStore(sql),
    rebuilds: createRebuildStore(sql),
    blobs: createBlobStore(sql),
    conversations: createConversationStore(sql),
    turns: createTurnStore(sql),
    summaries: createSummaryStore(sql),
    feedback: createFeedbackStore(sql),
    explanations: createExplanationStore(sql),
    questions: createQuestionStore(sql),
    retention: createRetentionStore(sql),
    frames: createFrameStore(sql),
    leads: createLeadStore(sql),
    visitorData: createVisitorDataStore(sql),
    visitorErasures: createVisitorErasureStore(sql, encryption),
    crmConnections: createCrmConnectionStore(sql, encryption),
    contactSyncs: createContactSyncStore(sql),
    leadMessages: createLeadMessageStore(sql, encryption),
    leadSessions: createLeadSessionStore(sql),
    leadSteps: createLeadStepStore(sql, encryption),
    mails: createMailStore(sql, encryption),
    webhooks: createWebhookStore(sql, encryption),
    sources: createSourceStore(sql),
    sourceRuns: createSourceRunStore(sql),
    sourcePages: createSourcePageStore(sql),
    visitorSessions: createVisitorSessionStore(sql),
    visitorLogins: createVisitorLoginStore(sql, encryption),
    widgetConversations: createWidgetConversationStore(sql),
    dbConnections: createDbConnectionStore(sql, encryption),
    tools: createToolStore(sql, encryption),
    dispatches: createDispatchStore(sql),
    limits: createLimitStore(sql),
    overdue: createOverdueStore(sql),
    usage: createUsageStore(sql),
    analytics: createAnalyticsStore(sql),
    diagnostics: createDiagnosticsStore(sql),
    async ping(): Promise<void> {
      await sql`select 1`;
    },
  };
}
