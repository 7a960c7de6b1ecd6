import { Client, errors } from '@elastic/elasticsearch';
import { ProviderError } from '../../domain/errors.ts';

export type { Client };

/** The client's own retries are off: Temporal owns retrying. */
export function connectElasticsearch(url: string, options: { apiKey?: string | undefined }): Client {
  return new Client({
    node: url,
    maxRetries: 0,
    ...(options.apiKey ? { auth: { apiKey: options.apiKey } } : {}),
  });
}

/** Runs a call and turns what it throws into a ProviderError that says what is wrong and whether trying again helps. */
export async function asProviderError<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    // What is not the client's is a fault of ours, and should look like one.
    if (!(error instanceof errors.ElasticsearchClientError)) throw error;
    if (error instanceof errors.RequestAbortedError) throw error;
    if (error instanceof errors.ResponseError) {
      const status = error.statusCode ?? 500;
      const type = (error.body as { error?: { type?: string } } | undefined)?.error?.type ?? 'error';
      throw new ProviderError('Elasticsearch', describe(status, type), {
        // A blocked index (403) opens again once the disk has room.
        retryable: status >= 500 || status === 429 || type === 'cluster_block_exception' || status === 404,
        cause: error,
      });
    }
    throw new ProviderError('Elasticsearch', `cannot be reached (${(error as Error).name})`, {
      retryable: true,
      cause: error,
    });
  }
}

export function describe(status: number, type: string): string {
  if (type === 'cluster_block_exception') {
    return 'the index is read-only, usually because the disk is nearly full. Free disk space; writing goes on by itself';
  }
  if (type === 'index_not_found_exception')
    return 'the index is missing. Run `npm run migrate`, then rebuild it';
  if (type === 'strict_dynamic_mapping_exception')
    return 'the index was made by an older version. Run `npm run rebuild-index -- --drop`';
  return `answered ${status} (${type})`;
}
