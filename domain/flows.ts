// The workflows by name: their inputs, ids and task queues. Shared by whoever starts them and the workflows themselves.

import type { VerificationRules } from './leads.ts';

export interface ChatTurnInput {
  projectId: string;
  conversationId: string;
  turnId: string;
}

export interface IngestDocumentInput {
  projectId: string;
  documentId: string;
  version: number;
  /** From 1; trying again after a failure is another run. */
  run: number;
}

export interface UpdateChunksInput extends IngestDocumentInput {
  /** Counts the edits of a document's chunks. */
  edit: number;
}

export interface EvaluateRetrievalInput {
  projectId: string;
  evaluationId: string;
}

export interface DeleteDocumentInput {
  projectId: string;
  documentId: string;
}

export interface SendMailInput {
  /** Null for account mails, which belong to no project. */
  projectId: string | null;
  mailId: string;
}

export interface DeleteProjectInput {
  projectId: string;
}

export interface DeliverWebhookInput {
  projectId: string;
  deliveryId: string;
}

export interface LeadVerificationInput {
  projectId: string;
  sessionId: string;
  rules: VerificationRules;
}

export interface AnswerQuestionInput {
  projectId: string;
  questionId: string;
}

export interface EraseVisitorInput {
  projectId: string;
  erasureId: string;
}

export interface SyncContactInput {
  projectId: string;
  leadId: string;
  /** From 1; sending again after an end is another run. */
  run: number;
}

export interface CrawlSiteInput {
  projectId: string;
  sourceId: string;
  /** Absent where a schedule starts the crawl: then it is counted when it begins. */
  run?: number;
  /** Set by a crawl that continues as a new one. */
  carried?: { run: number; paused: boolean };
}

export interface SyncSourceInput {
  projectId: string;
  sourceId: string;
  revision: number;
}

export interface RebuildIndexInput {
  projectId: string;
  rebuildId: string;
}

export interface FlowInputs {
  chatTurn: ChatTurnInput;
  ingestDocument: IngestDocumentInput;
  deleteDocument: DeleteDocumentInput;
  updateChunks: UpdateChunksInput;
  evaluateRetrieval: EvaluateRetrievalInput;
  sendMail: SendMailInput;
  deleteProject: DeleteProjectInput;
  deliverWebhook: DeliverWebhookInput;
  leadVerification: LeadVerificationInput;
  answerQuestion: AnswerQuestionInput;
  eraseVisitor: EraseVisitorInput;
  syncContact: SyncContactInput;
  crawlSite: CrawlSiteInput;
  syncSource: SyncSourceInput;
  rebuildIndex: RebuildIndexInput;
}

export type WorkflowType = keyof FlowInputs;
export type TaskQueue = 'chat' | 'ingestion';

/** A workflow start that was written down and is still to be made. */
export type Dispatch = {
  [T in WorkflowType]: {
    workflowType: T;
    workflowId: string;
    /** Null for what belongs to no project. */
    projectId: string | null;
    input: FlowInputs[T];
  };
}[WorkflowType];

/** Two queues, so that bulk work never delays a visitor. */
export const taskQueueOf: Record<WorkflowType, TaskQueue> = {
  chatTurn: 'chat',
  ingestDocument: 'ingestion',
  deleteDocument: 'ingestion',
  updateChunks: 'ingestion',
  evaluateRetrieval: 'ingestion',
  sendMail: 'chat',
  deleteProject: 'ingestion',
  deliverWebhook: 'ingestion',
  leadVerification: 'chat',
  answerQuestion: 'ingestion',
  eraseVisitor: 'ingestion',
  syncContact: 'ingestion',
  crawlSite: 'ingestion',
  syncSource: 'ingestion',
  rebuildIndex: 'ingestion',
};

export const turnWorkflowId = (turnId: string) => `turn/${turnId}`;
/** With the delivery's id: stores write it in SQL, where one statement makes many. */
export const webhookWorkflowPrefix = 'webhook/';
export const webhookWorkflowId = (deliveryId: string) => `${webhookWorkflowPrefix}${deliveryId}`;
/** With the lead's id and the run, in the same way. */
export const contactWorkflowPrefix = 'crm/';
export const contactWorkflowId = (leadId: string, run: number) => `${contactWorkflowPrefix}${leadId}/${run}`;
export const ingestWorkflowId = (documentId: string, version: number, run: number) =>
  `ingest/${documentId}/v${version}${run > 1 ? `/r${run}` : ''}`;

export const mailWorkflowId = (mailId: string) => `mail/${mailId}`;
export const leadWorkflowId = (sessionId: string) => `lead/${sessionId}`;

export const chatTurnDispatch = (input: ChatTurnInput): Dispatch => ({
  workflowType: 'chatTurn',
  workflowId: turnWorkflowId(input.turnId),
  projectId: input.projectId,
  input,
});

export const ingestDocumentDispatch = (input: IngestDocumentInput): Dispatch => ({
  workflowType: 'ingestDocument',
  workflowId: ingestWorkflowId(input.documentId, input.version, input.run),
  projectId: input.projectId,
  input,
});

export const updateChunksDispatch = (input: UpdateChunksInput): Dispatch => ({
  workflowType: 'updateChunks',
  workflowId: `chunks/${input.documentId}/e${input.edit}`,
  projectId: input.projectId,
  input,
});

export const evaluateRetrievalDispatch = (input: EvaluateRetrievalInput): Dispatch => ({
  workflowType: 'evaluateRetrieval',
  workflowId: `evaluate/${input.evaluationId}`,
  projectId: input.projectId,
  input,
});

export const deleteDocumentDispatch = (input: DeleteDocumentInput): Dispatch => ({
  workflowType: 'deleteDocument',
  workflowId: `delete/${input.documentId}`,
  projectId: input.projectId,
  input,
});

export const sendMailDispatch = (input: SendMailInput): Dispatch => ({
  workflowType: 'sendMail',
  workflowId: mailWorkflowId(input.mailId),
  projectId: input.projectId,
  input,
});

export const deleteProjectDispatch = (input: DeleteProjectInput): Dispatch => ({
  workflowType: 'deleteProject',
  workflowId: `delete-project/${input.projectId}`,
  projectId: input.projectId,
  input,
});

export const deliverWebhookDispatch = (input: DeliverWebhookInput): Dispatch => ({
  workflowType: 'deliverWebhook',
  workflowId: webhookWorkflowId(input.deliveryId),
  projectId: input.projectId,
  input,
});

export const leadVerificationDispatch = (input: LeadVerificationInput): Dispatch => ({
  workflowType: 'leadVerification',
  workflowId: leadWorkflowId(input.sessionId),
  projectId: input.projectId,
  input,
});

export const rebuildWorkflowId = (projectId: string, number: number) => `rebuild/${projectId}/${number}`;

export const rebuildIndexDispatch = ({
  number,
  ...input
}: RebuildIndexInput & { number: number }): Dispatch => ({
  workflowType: 'rebuildIndex',
  workflowId: rebuildWorkflowId(input.projectId, number),
  projectId: input.projectId,
  input,
});

export const answerQuestionDispatch = (input: AnswerQuestionInput): Dispatch => ({
  workflowType: 'answerQuestion',
  workflowId: `question/${input.questionId}`,
  projectId: input.projectId,
  input,
});

export const eraseVisitorDispatch = (input: EraseVisitorInput): Dispatch => ({
  workflowType: 'eraseVisitor',
  workflowId: `erase/${input.erasureId}`,
  projectId: input.projectId,
  input,
});

export const crawlSiteDispatch = (input: CrawlSiteInput & { run: number }): Dispatch => ({
  workflowType: 'crawlSite',
  workflowId: `crawl/${input.sourceId}/${input.run}`,
  projectId: input.projectId,
  input,
});

/** The schedule of a source, and what the crawls are called that it starts: Temporal adds their time. */
export const crawlScheduleId = (sourceId: string) => `crawl/${sourceId}`;
export const scheduledCrawlId = (sourceId: string) => `crawl/${sourceId}/scheduled`;

export const syncSourceDispatch = (input: SyncSourceInput): Dispatch => ({
  workflowType: 'syncSource',
  workflowId: `source/${input.sourceId}/${input.revision}`,
  projectId: input.projectId,
  input,
});
