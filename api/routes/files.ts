import multipart, { type MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../../domain/errors.ts';
import { titleOf } from '../../domain/ingestion.ts';
import { contentHash } from '../../stores/postgres/blobs.ts';
import type { Replacement } from '../../stores/postgres/document-versions.ts';
import type { NewDocument } from '../../stores/postgres/documents.ts';
import type { App, AppDependencies } from '../app.ts';
import { idempotencyOf } from '../idempotency.ts';
import {
  contentField,
  documentParams,
  duplicatesQuery,
  metadataField,
  oneDocument,
  shown,
  withinLimit,
} from './documents.ts';

/** A file inside JSON. */
export const fileFields = {
  filename: z.string().trim().min(1).max(255),
  mimeType: z.string().max(200).default('application/octet-stream'),
  content: z.string().min(1, 'must not be empty'),
  encoding: z.enum(['base64', 'utf8', 'utf-8', 'text']).default('text'),
};
const jsonFile = z.object({ ...fileFields, metadata: metadataField.default({}) });

const form = z.object({
  metadata: z.string().optional().describe('JSON. Stands before the file.'),
  file: z.string().meta({ format: 'binary' }),
});
/** New content of a document: a file, or a text. Without metadata those that it has stay. */
const newText = z.object({ content: contentField, metadata: metadataField.optional() });
const newFile = z.object({ ...fileFields, metadata: metadataField.optional() });

const upload = {
  summary: 'Takes a file in and ingests it',
  description:
    'As `multipart/form-data` with the file in `file` and, if wished, `metadata` as JSON before it; or as JSON. Text, Markdown, ' +
    'HTML, PDF, DOCX, XLSX, CSV and JSON are told apart by their content.',
  tags: ['Documents'],
  querystring: duplicatesQuery,
  response: { 202: oneDocument },
};

const replace = {
  summary: 'Replaces the content; the version before answers until the new one is ready',
  description:
    'A text as for /upload-doc, or a file as for /upload-doc/file. Equal content makes no new version.',
  tags: ['Documents'],
  params: documentParams,
  response: { 202: oneDocument },
};

/** The document that a file inside JSON is. Throws INVALID_REQUEST for base64 that is none. */
export function documentOf(file: z.infer<typeof jsonFile>, maxContentBytes: number): NewDocument {
  const { filename, mimeType, content, encoding, metadata } = file;
  if (encoding === 'base64' && !/^[A-Za-z0-9+/_-]*={0,2}\s*$/.test(content.replaceAll(/\s/g, ''))) {
    throw new AppError('INVALID_REQUEST', { message: 'content: must be base64, as encoding says.' });
  }
  const bytes = Buffer.from(content, encoding === 'base64' ? 'base64' : 'utf8');
  return newDocument({ filename, mimeType, bytes: withinLimit(bytes, maxContentBytes) }, metadata);
}

function newDocument(
  file: Required<Pick<NewDocument, 'filename' | 'mimeType' | 'bytes'>>,
  metadata: z.infer<typeof metadataField>,
): NewDocument {
  const source = metadata.source ?? file.filename ?? 'upload';
  return { ...file, title: metadata.title ?? titleOfFile(file.filename ?? ''), source, metadata };
}

const titleOfFile = (filename: string) =>
  filename.replace(/\.[A-Za-z0-9]{1,5}$/, '').slice(0, 200) || 'Untitled';

export async function fileRoutes(app: App, deps: AppDependencies): Promise<void> {
  const { stores, dispatcher, settings } = deps;
  const limit = settings.maxContentBytes;
  const config = {
    scope: 'documents',
    role: 'editor',
    errors: ['IDEMPOTENCY_KEY_REUSED'],
    bodies: { 'application/json': jsonFile, 'multipart/form-data': form },
  } as const;
  await app.register(multipart, { limits: { fileSize: limit + 1, files: 1, fields: 10, fieldSize: 16_384 } });

  app.post(
    '/upload-doc/file',
    // Base64 needs four thirds.
    { config, schema: upload, bodyLimit: 2 * limit + 64 * 1024 },
    async (request, reply) => {
      const document = request.isMultipart()
        ? await fromMultipart(request, limit)
        : documentOf(parsed(jsonFile, request.body), limit);
      const { bytes, ...fields } = document;
      const same = { ...fields, content: contentHash(bytes).toString('hex') };
      const idempotency = idempotencyOf(request, 'upload-doc/file', same);
      const { documentId, dispatch } = await stores.documents.accept(
        request.projectId,
        document,
        idempotency,
        {
          skipDuplicates: request.query.duplicates === 'skip',
        },
      );
      if (dispatch) dispatcher.startSoon(dispatch);
      return reply.status(202).send(await shown(deps, request.projectId, documentId));
    },
  );

  const replacing = {
    scope: 'documents',
    role: 'editor',
    errors: ['DOCUMENT_NOT_FOUND', 'CONTENT_REQUIRED'],
    bodies: { 'application/json': z.union([newText, newFile]), 'multipart/form-data': form },
  } as const;
  app.put(
    '/documents/:documentId',
    { config: replacing, schema: replace, bodyLimit: 2 * limit + 64 * 1024 },
    async (request, reply) => {
      const { projectId, params } = request;
      const { document } = await shown(deps, projectId, params.documentId);
      const content = await replacementOf(request, document, limit);
      const replaced = await stores.documents.replace(projectId, document.id, content);
      if (!replaced) throw new AppError('DOCUMENT_NOT_FOUND');
      if (replaced.dispatch) dispatcher.startSoon(replaced.dispatch);
      return reply.status(202).send(await shown(deps, projectId, document.id));
    },
  );
}

/** A text keeps the document's title, where that was given to it; a file brings its own. */
async function replacementOf(
  request: FastifyRequest,
  before: { metadata: Record<string, unknown> },
  limit: number,
): Promise<Replacement> {
  const isText = !request.isMultipart() && !Object.hasOwn(Object(request.body), 'filename');
  if (isText) {
    if (String(Object(request.body).content ?? '').trim() === '') throw new AppError('CONTENT_REQUIRED');
    const { content, metadata } = parsed(newText, request.body);
    const named = metadata?.title ?? before.metadata.title;
    return {
      title: typeof named === 'string' ? named : titleOf(content),
      mimeType: 'text/markdown',
      bytes: withinLimit(Buffer.from(content), limit),
      source: metadata?.source,
      metadata,
    };
  }
  const file = request.isMultipart()
    ? await fromMultipart(request, limit)
    : documentOf({ metadata: {}, ...parsed(newFile, request.body) }, limit);
  const { metadata } = file;
  const given = Object.keys(metadata).length > 0;
  const { title: named } = { ...before.metadata, ...metadata };
  return {
    ...file,
    title: typeof named === 'string' ? named : file.title,
    source: typeof metadata.source === 'string' ? metadata.source : undefined,
    metadata: given ? metadata : undefined,
  };
}

/** A body that its route reads itself. Throws INVALID_REQUEST. */
function parsed<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) => ({ field: path.join('.'), message }));
  const summary = issues.map(({ field, message }) => `${field || 'body'}: ${message}`).join('; ');
  throw new AppError('INVALID_REQUEST', {
    message: `The request is not valid: ${summary}. Send multipart/form-data or {filename, content, encoding}.`,
    details: { issues },
  });
}

async function fromMultipart(request: FastifyRequest, limit: number): Promise<NewDocument> {
  const file = await request.file();
  if (!file) {
    throw new AppError('INVALID_REQUEST', { message: 'The form has no file: send one in the field "file".' });
  }
  const bytes = withinLimit(await file.toBuffer().catch(tooLarge(limit)), limit);
  const metadata = metadataField.safeParse(metadataOf(file));
  if (!metadata.success) {
    throw new AppError('INVALID_REQUEST', { message: 'metadata: must be a JSON object of at most 16 KB.' });
  }
  return newDocument(
    { filename: file.filename.slice(0, 255), mimeType: file.mimetype, bytes },
    metadata.data,
  );
}

/** Fields other than `metadata` are metadata themselves: category=prices. */
function metadataOf({ fields }: MultipartFile): unknown {
  const texts = Object.entries(fields).flatMap(([name, field]) =>
    field && 'value' in field && typeof field.value === 'string' ? [[name, field.value] as const] : [],
  );
  const { metadata, ...others } = Object.fromEntries(texts);
  if (metadata === undefined) return others;
  try {
    return { ...others, ...JSON.parse(metadata) };
  } catch {
    return undefined;
  }
}

const tooLarge = (limit: number) => (error: { code?: string }) => {
  if (error.code !== 'FST_REQ_FILE_TOO_LARGE') throw error;
  throw new AppError('CONTENT_TOO_LARGE', {
    message: `The file is larger than ${limit} bytes, which this server accepts. Split it, or raise MAX_CONTENT_BYTES.`,
    details: { limit },
  });
};
