import { ApplicationFailure } from '@temporalio/common';
import { embeddingText } from '../../domain/chunking.ts';
import { type IngestDocumentInput, ingestWorkflowId } from '../../domain/flows.ts';
import type { ActivityDependencies } from '../index.ts';
import { chunkLongText } from './chunker.ts';
import { languageOf } from './language.ts';
import { pageAt } from './pages.ts';
import type { Parser } from './parser.ts';
import { runStep, versionOf } from './step.ts';

type IngestionDependencies = Pick<ActivityDependencies, 'stores' | 'spaces' | 'dispatcher'> & {
  parser: Parser;
};

/** Chunks taken at a time: enough to keep every embedding thread busy, little enough to lose when a worker dies. */
const embeddingPage = 64;
const indexingPage = 250;

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

    /** Embeds what has no vector yet: content that was embedded before, in any document, costs nothing. */
    async embedChunks(input: IngestDocumentInput): Promise<void> {
      const { projectId, documentId, version } = input;
      await step(input, async (signal, report) => {
        const { embeddings } = await spaces.ofProject(projectId);
        let afterOrdinal = -1;
        for (;;) {
          await versionOf({ stores }, input);
          signal.throwIfAborted();
          const page = await stores.chunks.withoutEmbedding(
            projectId,
            documentId,
            version,
            embeddings.model,
            {
              afterOrdinal,
              limit: embeddingPage,
            },
          );
          const last = page.at(-1);
          if (!last) return;
          const vectors = await embeddings.embed(
            page.map((chunk) => embeddingText(chunk.title, chunk)),
            { purpose: 'document', signal },
          );
          await stores.embeddings.put(
            projectId,
            embeddings.model,
            page.map((chunk, position) => ({ hash: chunk.hash, vector: vectors[position]! })),
          );
          afterOrdinal = last.ordinal;
          const doneChunks = afterOrdinal + 1;
          await stores.documents.progress(projectId, documentId, version, { step: 'embedding', doneChunks });
          report({ embedded: doneChunks });
        }
      });
    },

    /** Writes the version's chunks, or its edited ones, under their own ids; returns once searches can find them. */
    async indexChunks(input: IngestDocumentInput, only: 'all' | 'edited' = 'all'): Promise<void> {
      const { projectId, documentId, version } = input;
      await step(input, async (signal, report) => {
        await stores.documents.progress(projectId, documentId, version, { step: 'indexing', doneChunks: 0 });
        const { index, embeddings } = await spaces.ofProject(projectId);
        await index.ensure();
        let afterOrdinal = -1;
        for (;;) {
          await versionOf({ stores }, input);
          signal.throwIfAborted();
          // One more than is written, to know the last page: only that one waits until searches find it.
          const found = await stores.chunks.withEmbedding(projectId, documentId, version, embeddings.model, {
            afterOrdinal,
            limit: indexingPage + 1,
            only,
          });
          const page = found.slice(0, indexingPage).map((chunk) => ({ ...chunk, documentId }));
          const visible = found.length <= indexingPage;
          await index.put(projectId, page, { visible, signal });
          afterOrdinal = page.at(-1)?.ordinal ?? afterOrdinal;
          const doneChunks = afterOrdinal + 1;
          await stores.documents.progress(projectId, documentId, version, { step: 'indexing', doneChunks });
          report({ indexed: doneChunks });
          if (visible) return;
        }
      });
    },
  };
}
