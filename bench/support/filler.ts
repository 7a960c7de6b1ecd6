import { createChunkIndex } from '../../stores/elasticsearch/chunk-index.ts';
import { embeddingHash } from '../../stores/postgres/chunks.ts';
import { chunkId, newId } from '../../stores/postgres/ids.ts';
import { localEmbeddingSpace } from '../../providers/local/embedder.ts';
import type { TestEnvironment } from '../../test/support/environment.ts';

const words =
  'lamp shade table chair order parcel price colour screw bulb fabric oak steel brass glass cord socket dimmer'.split(
    ' ',
  );
const batch = 500;

/** Puts ready documents with made-up texts and vectors straight into PostgreSQL and Elasticsearch. */
export async function fillProject(
  environment: TestEnvironment,
  projectId: string,
  size: { documents: number; chunksPerDocument: number },
): Promise<void> {
  const { sql } = environment;
  const index = createChunkIndex(environment.elasticsearch, {
    prefix: environment.indexPrefix,
    space: localEmbeddingSpace,
  });
  const documents = Array.from({ length: size.documents }, () => newId());
  for (let from = 0; from < documents.length; from += batch) {
    const part = documents.slice(from, from + batch);
    const hash = Buffer.alloc(32);
    await sql`insert into documents ${sql(
      part.map((id) => ({
        id,
        projectId,
        title: 'Filler',
        source: 'bench',
        currentVersion: 1,
        latestVersion: 1,
      })),
    )}`;
    await sql`insert into document_versions ${sql(
      part.map((documentId) => ({
        projectId,
        documentId,
        version: 1,
        title: 'Filler',
        mimeType: 'text/plain',
        sizeBytes: 0,
        contentHash: hash,
        status: 'ready',
        totalChunks: size.chunksPerDocument,
      })),
    )}`;
  }
  const chunks = documents.flatMap((documentId) =>
    Array.from({ length: size.chunksPerDocument }, (_, ordinal) => ({ documentId, ordinal })),
  );
  for (let from = 0; from < chunks.length; from += batch) {
    const part = chunks.slice(from, from + batch).map(({ documentId, ordinal }) => ({
      id: chunkId(documentId, 1, ordinal),
      documentId,
      ordinal,
      text: Array.from({ length: 40 }, () => words[Math.floor(Math.random() * words.length)]).join(' '),
    }));
    await sql`insert into chunks ${sql(
      part.map(({ id, documentId, ordinal, text }) => ({
        id,
        projectId,
        documentId,
        version: 1,
        ordinal,
        headingPath: sql.array([], 1009),
        text,
        startOffset: 0,
        endOffset: text.length,
        embeddingHash: embeddingHash(text),
      })) as never,
    )}`;
    const indexed = part.map((chunk) => ({
      ...chunk,
      title: 'Filler',
      headingPath: [],
      vector: unitVector(),
    }));
    await index.put(projectId, indexed, { visible: from + batch >= chunks.length });
  }
}

/** A random direction. */
function unitVector(): Float32Array {
  const vector = Float32Array.from({ length: localEmbeddingSpace.dimensions }, () => Math.random() - 0.5);
  const norm = Math.hypot(...vector);
  return vector.map((value) => value / norm);
}
