// The models that a project can choose: who runs them, and what vector space an embedding model has.
import { z } from 'zod';
import { AppError } from './errors.ts';

export const modelProviders = ['groq', 'openai', 'gemini', 'ollama', 'local'] as const;
export type ModelProvider = (typeof modelProviders)[number];

export const embeddingProviders = ['local', 'openai', 'gemini', 'ollama'] as const;
export type EmbeddingProviderName = (typeof embeddingProviders)[number];

/** Rerankers behind an API; `jina` is also what most servers speak that people run themselves. */
export const rerankApis = ['cohere', 'jina', 'voyage'] as const;
export type RerankApi = (typeof rerankApis)[number];
export const rerankers = ['none', ...rerankApis, 'local'] as const;
export type RerankerName = (typeof rerankers)[number];

/** Whose own key a project can bring: everyone but `local`, which needs none. */
export const keyedProviders = ['openai', 'groq', 'ollama', 'gemini', ...rerankApis] as const;
export type KeyedProvider = (typeof keyedProviders)[number];
/** Those of them who answer. */
export type ChatProvider = Exclude<KeyedProvider, RerankApi>;

/** Used where a project names no model. */
export const defaultModels: Readonly<Record<ModelProvider, string>> = {
  local: 'extractive',
  openai: 'gpt-4o-mini',
  groq: 'llama-3.3-70b-versatile',
  ollama: 'llama3.2',
  gemini: 'gemini-2.5-flash',
};

/**
 * Tokens that the providers' usual models read and write together, where a project says nothing else. Ollama gives every
 * model this many unless OLLAMA_CONTEXT_LENGTH says otherwise, and drops the beginning of what is longer.
 */
const contextWindows: Readonly<Record<string, number>> = {
  openai: 128_000,
  groq: 131_072,
  gemini: 1_000_000,
  ollama: 4_096,
};
export const windowOf = (provider: string, given: number | null): number =>
  given ?? contextWindows[provider] ?? 8_192;

/** Used where a project names no reranking model. */
export const defaultRerankModels: Readonly<Record<Exclude<RerankerName, 'none'>, string>> = {
  cohere: 'rerank-v3.5',
  jina: 'jina-reranker-v2-base-multilingual',
  voyage: 'rerank-2.5-lite',
  local: 'ms-marco-minilm-l12-v2-q',
};

/** A vector space: vectors of different models or sizes are never compared. */
export interface EmbeddingModel {
  provider: EmbeddingProviderName;
  model: string;
  dimensions: number;
}

/** Groq has no embeddings; its projects use Google's. */
const embeddingProviderOf: Readonly<Record<ModelProvider, EmbeddingProviderName>> = {
  local: 'local',
  openai: 'openai',
  groq: 'gemini',
  ollama: 'ollama',
  gemini: 'gemini',
};

/** The bundled model: no key, no network. */
export const localEmbeddingModel = {
  provider: 'local',
  model: 'all-minilm-l6-v2-q',
  dimensions: 384,
} as const satisfies EmbeddingModel;

const defaultEmbeddingModels: Readonly<Record<EmbeddingProviderName, string>> = {
  local: localEmbeddingModel.model,
  openai: 'text-embedding-3-small',
  gemini: 'gemini-embedding-001',
  ollama: 'nomic-embed-text',
};

/** Sizes that the models give, or are asked for where they can give several. */
const knownDimensions: Readonly<Record<string, number>> = {
  [localEmbeddingModel.model]: localEmbeddingModel.dimensions,
  'text-embedding-3-small': 1536,
  'text-embedding-3-large': 3072,
  'text-embedding-ada-002': 1536,
  'gemini-embedding-001': 768,
  'text-embedding-004': 768,
  'nomic-embed-text': 768,
  'mxbai-embed-large': 1024,
  'all-minilm': 384,
  'bge-m3': 1024,
};

/**
 * From which cosine on two sentences say the same. Models differ in how near they put what has nothing to do with each
 * other; these are judgement on the careful side, and only that of the bundled model was looked at.
 */
export const sameMeaning: Readonly<Record<EmbeddingProviderName, number>> = {
  local: 0.6,
  openai: 0.6,
  gemini: 0.8,
  ollama: 0.75,
};

/**
 * Milliseconds between two calls for embeddings of documents with one key, over all workers: 500 calls a minute for
 * openai and 100 for gemini, what their smallest paid and free accounts allow. Own servers say when it is too much.
 */
export const embeddingCallEvery: Readonly<Record<Exclude<EmbeddingProviderName, 'local'>, number>> = {
  openai: 120,
  gemini: 600,
  ollama: 0,
};

/** What Elasticsearch can hold in one vector. */
const mostDimensions = 4096;

/** The fields of a project's settings that choose models, beside the first provider and its model. */
export const modelSettings = {
  /** Tried in turn when `provider` fails; each begins an answer of its own. */
  fallbacks: z
    .array(z.object({ provider: z.enum(modelProviders), model: z.string().trim().max(200).default('') }))
    .max(4)
    .default([]),
  /** Tokens that the model reads and writes together; null: the provider's usual. */
  contextWindow: z.number().int().min(2_048).max(10_000_000).nullable().default(null),
  /** Who orders a search's best once more, and by which model; empty: the provider's default. */
  reranker: z.enum(rerankers).default('none'),
  rerankModel: z.string().trim().max(200).default(''),
  /**
   * The space of the project's vectors. Set when the project is created: documents that were embedded in another space
   * would no longer be found, so a rebuild moves them all.
   */
  embeddingProvider: z.enum(embeddingProviders).nullable().default(null),
  embeddingModel: z.string().trim().min(1).max(200).nullable().default(null),
  embeddingDimensions: z.number().int().min(1).max(mostDimensions).nullable().default(null),
};

interface EmbeddingSettings {
  provider: ModelProvider;
  embeddingProvider: EmbeddingProviderName | null;
  embeddingModel: string | null;
  embeddingDimensions: number | null;
}

/** The embedding model of a project. Throws INVALID_REQUEST where a model's size is neither known nor given. */
export function embeddingModelOf(settings: EmbeddingSettings): EmbeddingModel {
  const provider = settings.embeddingProvider ?? embeddingProviderOf[settings.provider];
  const model = settings.embeddingModel ?? defaultEmbeddingModels[provider];
  const dimensions = settings.embeddingDimensions ?? knownDimensions[model];
  if (dimensions === undefined) {
    const message = `Set embeddingDimensions: how many numbers a vector of ${model} has.`;
    throw new AppError('INVALID_REQUEST', { message });
  }
  return { provider, model, dimensions };
}

/** Settings with their embedding space written out, so that a later change of `provider` does not change it. */
export function withEmbeddingModel<T extends EmbeddingSettings>(settings: T): T {
  const { provider, model, dimensions } = embeddingModelOf(settings);
  return {
    ...settings,
    embeddingProvider: provider,
    embeddingModel: model,
    embeddingDimensions: dimensions,
  };
}

export const changesEmbedding = (change: Partial<EmbeddingSettings>): boolean =>
  change.embeddingProvider !== undefined ||
  change.embeddingModel !== undefined ||
  change.embeddingDimensions !== undefined;
