import { ApplicationFailure } from '@temporalio/common';
import { embeddingText } from '../../domain/chunking.ts';
import { type IngestDocumentInput, ingestWorkflowId } from '../../domain/flows.ts';
import type { Waiting } from '../../domain/ingestion.ts';
import { spaceNameOf } from '../../domain/rebuilds.ts';
import type { ActivityDependencies } from '../index.ts';
import { chunkLongText } from './chunker.ts';
import { languageOf } from './language.ts';
import { pageAt } from './pages.ts';
import { embedVersion, indexVersion } from './indexing.ts';
import { NotBefore, presentOf } from './pacing.ts';
import { indexBeside } from './second-space.ts';
import type { Parser } from './parser.ts';
import { runStep, versionOf } from './step.ts';

type IngestionDependencies = Pick<ActivityDependencies, 'stores' | 'spaces' | 'dispatcher'> & {
  parser: Parser;
};

/** The steps that make a version searchable, each under a heartbeat. A step that was cut off goes on where it stopped. */
export function createIngestionActivities({ stores, spaces, dispatcher, parser }: IngestionDependencies) {
  const step = <T>(input: IngestDocumentInput, work: Parameters<typeof runStep<T>>[2]) =>
    runStep<T>({ stores }, input, work);

  return {
    /** Reads the text of the content, whatever format it has, and keeps it. */
    async parseDocument(input: IngestDocumentInput): Promise<void> {
      const { projectId, documentId, version, run } = input;
      await step(input, async (signal) => {
        // The run before may still be clearing up what it had written.
        if (run > 1) await dispatcher.stop(ingestWorkflowId(documentId, version, run - 1));
        const { contentHash, textHash, mimeType, filename } = await versionOf({ stores }, input);
        await stores.documents.progress(projectId, documentId, version, { step: 'parsing' });
        if (textHash) return;
        const content = await stores.blobs.get(projectId, contentHash);
        const parsed = await parser.parse(content, { mimeType, filename }, signal);
        const language = await languageOf(parsed.text);
        await stores.documents.parsed(projectId, documentId, version, { ...parsed, language });
      });
    },

    async chunkDocument(input: IngestDocumentInput): Promise<{ chunks: number }> {
      const { projectId, documentId, version } = input;
      return await step(input, async (signal, report) => {
        const { title, textHash, pageStarts } = await versionOf({ stores }, input);
        await stores.documents.progress(projectId, documentId, version, { step: 'chunking' });
        const text = (await stores.blobs.get(projectId, textHash!)).toString();
        const chunks = (await chunkLongText(text, pageStarts ?? [], signal)).map((chunk) => ({
          ...chunk,
          page: pageAt(pageStarts, chunk.startOffset),
          embeddingText: embeddingText(title, chunk),
        }));
        if (chunks.length === 0 || !/[\p{L}\p{N}]/u.test(text)) {
          throw ApplicationFailure.nonRetryable('The document contains no text.', 'DOCUMENT_EMPTY');
        }
        await stores.chunks.put(projectId, documentId, version, chunks, (stored) => {
          signal.throwIfAborted();
          report({ stored, of: chunks.length });
        });
        await stores.chunks.carryEdits(projectId, documentId, version);
        await stores.documents.progress(projectId, documentId, version, {
          step: 'chunking',
          totalChunks: chunks.length,
        });
        return { chunks: chunks.length };
      });
    },

    /**
     * Embeds what has no vector yet: content that was embedded before, in any document, costs nothing. Where it has to
     * wait it says until when, and is called again then.
     */
    async embedChunks(input: IngestDocumentInput, workflowTime?: string): Promise<Waiting | undefined> {
      const { projectId, documentId, version } = input;
      const now = presentOf(workflowTime);
      const embedAll = async (signal: AbortSignal, report: (details: unknown) => void) => {
        const { embeddings } = await spaces.ofProject(projectId);
        await embedVersion({ stores }, input, embeddings, {
          signal,
          now,
          check: () => versionOf({ stores }, input),
          async done(doneChunks) {
            await stores.documents.progress(projectId, documentId, version, {
              step: 'embedding',
              doneChunks,
            });
            report({ embedded: doneChunks });
          },
        });
      };
      try {
        await step(input, embedAll);
        return undefined;
      } catch (error) {
        if (!(error instanceof NotBefore)) throw error;
        const { until, message } = error;
        const problem = { message, waitingUntil: until };
        await stores.documents.problem(projectId, documentId, version, problem);
        return { until: until.toISOString(), reason: message };
      }
    },

    /** Writes the version's chunks, or its edited ones, under their own ids; returns once searches can find them. */
    async indexChunks(input: IngestDocumentInput, only: 'all' | 'edited' = 'all'): Promise<void> {
      const { projectId, documentId, version } = input;
      await step(input, async (signal, report) => {
        await stores.documents.progress(projectId, documentId, version, { step: 'indexing', doneChunks: 0 });
        const [own, second] = await spaces.written(projectId);
        const check = () => versionOf({ stores }, input);
        await indexVersion({ stores }, input, own, {
          signal,
          only,
          check,
          async done(doneChunks) {
            await stores.documents.progress(projectId, documentId, version, { step: 'indexing', doneChunks });
            report({ indexed: doneChunks });
          },
        });
        await stores.rebuilds.markIndexed(projectId, input, spaceNameOf(own.model), true);
        if (second) await indexBeside({ stores, spaces }, input, second, { signal, only, check });
      });
    },
  };
}
