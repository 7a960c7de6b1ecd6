// What the worker loads: every export is a workflow.
export { answerQuestion } from './answer-question.ts';
export { applyRetention } from './apply-retention.ts';
export { chatTurn } from './chat-turn.ts';
export { crawlSite } from './crawl-site.ts';
export { deleteDocument } from './delete-document.ts';
export { deleteProject } from './delete-project.ts';
export { deliverWebhook } from './deliver-webhook.ts';
export { evaluateRetrieval } from './evaluate-retrieval.ts';
export { eraseVisitor } from './erase-visitor.ts';
export { ingestDocument } from './ingest-document.ts';
export { leadVerification } from './lead-verification.ts';
export { rebuildIndex } from './rebuild-index.ts';
export { sendMail } from './send-mail.ts';
export { syncContact } from './sync-contact.ts';
export { updateChunks } from './update-chunks.ts';
export { syncSource } from './sync-source.ts';
