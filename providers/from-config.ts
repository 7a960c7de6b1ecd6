// The providers as the environment sets them up: the same in every process that calls models.
import { type Config, encryptionKeys, serverAccess } from '../config.ts';
import { createEncryption } from '../encryption.ts';
import { createSafeFetch } from '../outbound/safe-fetch.ts';
import type { EmbeddingProvider } from './embedding.ts';
import { createExtractiveProvider } from './local/extractive.ts';
import { createCrossEncoder } from './rerank/cross-encoder.ts';
import { createProviders, type Providers } from './registry.ts';

export function providersFrom(config: Config, localEmbeddings: EmbeddingProvider): Providers {
  return createProviders({
    server: serverAccess(config),
    encryption: createEncryption(encryptionKeys(config)),
    safeFetch: createSafeFetch({ allowedRanges: config.OUTBOUND_ALLOWED_RANGES }),
    localEmbeddings,
    localGeneration: createExtractiveProvider({ embeddings: localEmbeddings }),
    localReranker: createCrossEncoder({ modelDir: config.rerankerModelDir }),
  });
}
