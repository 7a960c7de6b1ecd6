import { ApplicationFailure } from '@temporalio/common';
import { embeddingText } from '../../domain/chunking.ts';
import { ingestion as timing } from '../../domain/deadlines.ts';
import { ProviderError } from '../../domain/errors.ts';
import type { IngestDocumentInput } from '../../domain/flows.ts';
import type { DocumentVersion } from '../../stores/postgres/documents.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityDependencies } from '../index.ts';
import { chunkLongText } from './chunker.ts';

type IngestionDependencies = Pick<ActivityDependencies, 'stores' | 'spaces'>;

/** Chunks taken at a time: enough to keep every embedding thread busy, little enough to lose when a worker dies. */
const embeddingPage = 64;
const indexingPage = 250;

type Work<T> = Parameters<typeof withHeartbeat<T>>[1];

export function createIngestionActivities({ stores, spaces }: IngestionDependencies) {
  async function versionOf({
    projectId,
    documentId,
    version,
  }: IngestDocumentInput): Promise<DocumentVersion> {
    const found = await stores.documents.version(projectId, documentId, version);
    if (!found) throw ApplicationFailure.nonRetryable('The document was deleted.', 'DOCUMENT_DELETED');
    return found;
  }

  /** Runs a step with a heartbeat. While something that it needs is away, the document says so. */
  async function step<T>(input: IngestDocumentInput, work: Work<T>): Promise<T> {
    try {
      return await withHeartbeat(timing.heartbeatEvery, work);
    } catch (error) {
      if (error instanceof ProviderError && error.retryable) {
        const { projectId, documentId, version } = input;
        await stores.documents.problem(projectId, documentId, version, error.message).catch(() => {});
      }
      throw error;
    }
  }

  return {
    async chunkDocument(input: IngestDocumentInput): Promise<{ chunks: number }> {
      const { projectId, documentId, version } = input;
      return await step(input, async (signal, report) => {
        const { title, contentHash } = await versionOf(input);
        await stores.documents.progress(projectId, documentId, version, { step: 'chunking' });
        const text = new TextDecoder().decode(await stores.blobs.get(projectId, contentHash));
        const chunks = (await chunkLongText(text, signal)).map((chunk) => ({
          ...chunk,
          embeddingText: embeddingText(title, chunk),
        }));
        if (chunks.length === 0 || !/[\p{L}\p{N}]/u.test(text)) {
          throw ApplicationFailure.nonRetryable('The document contains no text.', 'DOCUMENT_EMPTY');
        }
        await stores.chunks.put(projectId, documentId, version, chunks, (stored) => {
          signal.throwIfAborted();
          report({ stored, of: chunks.length });
        });
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
          await versionOf(input);
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

    /** Writes the version's chunks under their own ids and returns once searches can find them. */
    async indexChunks(input: IngestDocumentInput): Promise<void> {
      const { projectId, documentId, version } = input;
      await step(input, async (signal, report) => {
        await stores.documents.progress(projectId, documentId, version, { step: 'indexing', doneChunks: 0 });
        const { index, embeddings } = await spaces.ofProject(projectId);
        await index.ensure();
        let afterOrdinal = -1;
        for (;;) {
          await versionOf(input);
          signal.throwIfAborted();
          // One more than is written, to know the last page: only that one waits until searches find it.
          const found = await stores.chunks.withEmbedding(projectId, documentId, version, embeddings.model, {
            afterOrdinal,
            limit: indexingPage + 1,
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

    async publishVersion(input: IngestDocumentInput): Promise<void> {
      const { projectId, documentId, version } = input;
      await stores.documents.progress(projectId, documentId, version, { step: 'publishing' });
      const published = await stores.documents.publish(projectId, documentId, version);
      if (!published) throw ApplicationFailure.nonRetryable('The document was deleted.', 'DOCUMENT_DELETED');
    },

    async endVersion(
      { projectId, documentId, version }: IngestDocumentInput,
      outcome: { status: 'failed' | 'cancelled'; code: string; message: string },
    ): Promise<void> {
      await stores.documents.end(projectId, documentId, version, outcome);
    },

    /** Removes the chunks of the versions before this one, from the index first: its ids come from PostgreSQL. */
    async retireVersions({ projectId, documentId, version }: IngestDocumentInput): Promise<void> {
      await withHeartbeat(timing.heartbeatEvery, async (signal) => {
        const { index } = await spaces.ofProject(projectId);
        await index.remove(projectId, await stores.chunks.ids(projectId, documentId, version), signal);
        await stores.chunks.removeBefore(projectId, documentId, version);
      });
    },
  };
}
