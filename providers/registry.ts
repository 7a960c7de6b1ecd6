// Which provider a name stands for, and with whose key it is called.
import { createHash } from 'node:crypto';
import { models as timing } from '../domain/deadlines.ts';
import { ProviderError } from '../domain/errors.ts';
import {
  type ChatProvider,
  type EmbeddingModel,
  type EmbeddingProviderName,
  type KeyedProvider,
  type ModelProvider,
  type RerankApi,
  type RerankerName,
  embeddingCallEvery,
  sameMeaning,
} from '../domain/models.ts';
import { keyContext, type SealedProviderKey } from '../domain/provider-keys.ts';
import type { Encryption } from '../encryption.ts';
import type { ChatModel } from './chat-model.ts';
import type { EmbeddingPace, EmbeddingProvider } from './embedding.ts';
import { createGeminiChat } from './gemini/chat.ts';
import { createGeminiEmbedder } from './gemini/embeddings.ts';
import type { GenerationProvider } from './generation.ts';
import { createGroundedProvider, type Similarity } from './grounded.ts';
import { createOpenAiChat } from './openai/chat.ts';
import type { OpenAiDialect } from './openai/client.ts';
import { createOpenAiEmbedder } from './openai/embeddings.ts';
import type { Patience } from './patience.ts';
import { withQueryCache } from './query-cache.ts';
import type { CrossEncoder } from './rerank/cross-encoder.ts';
import { createHttpReranker } from './rerank/http.ts';
import type { Reranker } from './rerank/reranker.ts';

/** What the environment gives: keys and addresses that every project may use. */
export interface ServerAccess {
  openai: { apiKey: string | undefined; baseUrl: string; model: string | undefined };
  groq: { apiKey: string | undefined; baseUrl: string };
  gemini: { apiKey: string | undefined; baseUrl: string };
  ollama: { baseUrl: string | undefined };
  cohere: { apiKey: string | undefined; baseUrl: string };
  jina: { apiKey: string | undefined; baseUrl: string };
  voyage: { apiKey: string | undefined; baseUrl: string };
}

/** Whose keys a call may use. */
export interface KeyHolder {
  projectId: string;
  keys: readonly SealedProviderKey[];
}

interface Dependencies {
  server: ServerAccess;
  encryption: Encryption;
  /** The bundled embedding model. */
  localEmbeddings: EmbeddingProvider;
  localGeneration: GenerationProvider;
  localReranker: CrossEncoder;
  /** For addresses that a customer chose. */
  safeFetch: typeof fetch;
  patience?: Patience;
}

/** How a provider is reached for one project. */
interface Access {
  apiKey: string | undefined;
  baseUrl: string;
  fetch: typeof fetch;
  model?: string | undefined;
}

export type Providers = ReturnType<typeof createProviders>;

/** Projects with keys of their own whose query caches and pauses are kept. */
const remembered = 200;

export function createProviders(deps: Dependencies) {
  const { server, encryption, patience = timing } = deps;
  const embedders = new Map<string, EmbeddingProvider>();
  const apiRerankers = new Map<string, Reranker>();

  /** Throws a ProviderError that says what to set where neither the project nor the server has access. */
  function accessTo(provider: KeyedProvider, { projectId, keys }: KeyHolder): Access {
    const own = keys.find((key) => key.provider === provider);
    const given: { apiKey?: string | undefined; baseUrl: string | undefined; model?: string | undefined } =
      server[provider];
    const address = (url: string) => (provider === 'ollama' ? ollamaUrl(url) : url);
    if (own) {
      const apiKey = own.secret ? open(own.secret, keyContext(projectId, provider), provider) : undefined;
      // The server's key never goes to an address that a customer chose.
      if (own.baseUrl) return { apiKey, baseUrl: address(own.baseUrl), fetch: deps.safeFetch };
      if (given.baseUrl) return { apiKey, baseUrl: address(given.baseUrl), fetch, model: given.model };
    } else if (given.baseUrl && (given.apiKey || provider === 'ollama')) {
      return { apiKey: given.apiKey, baseUrl: address(given.baseUrl), fetch, model: given.model };
    }
    const remedy =
      provider === 'ollama'
        ? 'Set OLLAMA_BASE_URL, or the baseUrl of the project.'
        : `Set ${provider.toUpperCase()}_API_KEY, or a key of the project.`;
    throw new ProviderError(provider, `is not set up. ${remedy}`, {
      retryable: false,
      kind: 'not_configured',
    });
  }

  function open(secret: string, context: string, provider: string): string {
    try {
      return encryption.decrypt(secret, context);
    } catch (error) {
      // Names the encryption key at most.
      throw new ProviderError(provider, (error as Error).message, {
        retryable: false,
        kind: 'credentials',
        cause: error,
      });
    }
  }

  function chat(provider: ChatProvider, holder: KeyHolder): ChatModel {
    const access = accessTo(provider, holder);
    if (provider === 'gemini') {
      return createGeminiChat({ baseUrl: access.baseUrl, apiKey: keyOf(access), patience });
    }
    return createOpenAiChat({ ...access, name: provider, patience, defaultModel: access.model });
  }

  function httpReranker(name: RerankApi, model: string, holder: KeyHolder): Reranker {
    const options = { name, model };
    let access: Access;
    try {
      access = accessTo(name, holder);
    } catch (error) {
      const nobody = createHttpReranker({ ...options, baseUrl: '', apiKey: undefined, fetch });
      return { ...nobody, rerank: () => Promise.reject(error) };
    }
    const { baseUrl, apiKey } = access;
    return createHttpReranker({ ...options, baseUrl, apiKey, fetch: access.fetch });
  }

  return {
    /** Throws ProviderError where there is no access to it. `similarity` helps to see what an answer rests on. */
    generation(
      provider: ModelProvider,
      holder: KeyHolder,
      similarity: Similarity | undefined,
    ): GenerationProvider {
      if (provider === 'local') return deps.localGeneration;
      return createGroundedProvider(chat(provider, holder), { similarity });
    },

    /** Throws ProviderError where there is no access to it. */
    embeddings({ provider, model, dimensions }: EmbeddingModel, holder: KeyHolder): EmbeddingProvider {
      if (provider === 'local') return deps.localEmbeddings;
      const own = holder.keys.find((key) => key.provider === provider);
      const known = JSON.stringify([provider, model, dimensions, own && [holder.projectId, own]]);
      let found = embedders.get(known);
      if (!found) {
        const access = accessTo(provider, holder);
        const space = { model, dimensions };
        const shared = { timeout: timing.embedding, space, pace: paceOf(provider, access) };
        found = withQueryCache(
          provider === 'gemini'
            ? createGeminiEmbedder({ baseUrl: access.baseUrl, apiKey: keyOf(access), ...shared })
            : createOpenAiEmbedder({ ...access, name: provider as OpenAiDialect, ...shared }),
        );
      }
      keep(embedders, known, found);
      return found;
    },

    /** Undefined for a project without one. What is wrong with the access is thrown where it is asked. */
    reranker(
      { reranker: provider, rerankModel }: { reranker: RerankerName; rerankModel: string },
      holder: KeyHolder,
    ): Reranker | undefined {
      if (provider === 'none') return undefined;
      if (provider === 'local') return deps.localReranker;
      const own = holder.keys.find((key) => key.provider === provider);
      const known = JSON.stringify([provider, rerankModel, own && [holder.projectId, own]]);
      const found = apiRerankers.get(known) ?? httpReranker(provider, rerankModel, holder);
      keep(apiRerankers, known, found);
      return found;
    },

    /** Ends what runs in this process, but for the embedding model, which is the caller's. */
    close: () => deps.localReranker.close(),

    /** The models that can be chosen. Throws ProviderError. */
    async models(provider: ModelProvider, holder: KeyHolder, signal?: AbortSignal): Promise<string[]> {
      if (provider === 'local') return [deps.localGeneration.defaultModel];
      const limit = AbortSignal.timeout(timing.list);
      try {
        return await chat(provider, holder).listModels(signal ? AbortSignal.any([signal, limit]) : limit);
      } catch (error) {
        if (!limit.aborted) throw error;
        const message = `no answer within ${timing.list / 1000} s.`;
        throw new ProviderError(provider, message, { retryable: true, kind: 'timeout' });
      }
    },
  };
}

/** Puts it last; the first is the one that was not used for the longest time, and goes. */
function keep<T>(all: Map<string, T>, known: string, found: T): void {
  all.delete(known);
  all.set(known, found);
  const [oldest] = all.keys();
  if (all.size > remembered && oldest !== undefined) all.delete(oldest);
}

const keyOf = ({ apiKey }: Access): string => apiKey ?? '';

function paceOf(provider: keyof typeof embeddingCallEvery, { baseUrl, apiKey }: Access): EmbeddingPace {
  const key = createHash('sha256')
    .update(JSON.stringify([provider, baseUrl, apiKey]))
    .digest('hex');
  return { provider, key, everyMs: embeddingCallEvery[provider] };
}

/** Ollama speaks the OpenAI API below /v1; people give the server's own address. */
export const ollamaUrl = (url: string): string => {
  const bare = url.replace(/\/+$/, '');
  return bare.endsWith('/v1') ? bare : `${bare}/v1`;
};

/** By embeddings of this provider, which are of norm 1. */
export function similarityBy(provider: EmbeddingProviderName, embeddings: EmbeddingProvider): Similarity {
  return async (text, others, signal) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timing.support)]);
    const options = { purpose: 'query', signal: limit } as const;
    const [vector, ...vectors] = await embeddings.embed([text, ...others], options);
    const cosines = vectors.map((other) => other.reduce((sum, value, at) => sum + value * vector![at]!, 0));
    const best = cosines.indexOf(Math.max(...cosines));
    return (cosines[best] ?? 0) >= sameMeaning[provider] ? best : undefined;
  };
}
