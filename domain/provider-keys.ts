// A project's own access to a provider: its key, and where a customer runs a compatible server, the address.
import { z } from 'zod';
import { type KeyedProvider, keyedProviders } from './models.ts';

export interface ProviderKey {
  provider: KeyedProvider;
  /** Null where the address needs no key. */
  lastFour: string | null;
  /** Null: the provider's own address. */
  baseUrl: string | null;
  updatedAt: Date;
}

/** As it is stored: the key encrypted. */
export interface SealedProviderKey {
  provider: KeyedProvider;
  secret: string | null;
  baseUrl: string | null;
}

export const keyedProvider = z.enum(keyedProviders);

export const newProviderKey = z
  .object({
    apiKey: z
      .string()
      .trim()
      .min(8, 'must have at least 8 characters')
      .max(500)
      .regex(/^[\x21-\x7e]+$/, 'must have no spaces')
      .optional(),
    baseUrl: z
      .url({ protocol: /^https?$/, error: 'must be a URL such as https://models.example.com/v1' })
      .max(2_000)
      .transform((url) => url.replace(/\/+$/, ''))
      .optional(),
  })
  .refine(({ apiKey, baseUrl }) => apiKey ?? baseUrl, { error: 'send an apiKey, a baseUrl or both' });

export type NewProviderKey = z.infer<typeof newProviderKey>;

/** What binds an encrypted key to its row. */
export const keyContext = (projectId: string, provider: KeyedProvider) =>
  `provider_keys/${projectId}/${provider}`;
