import type { DataConverter } from '@temporalio/common';
import { Client, type ClientInterceptors, Connection } from '@temporalio/client';
import { payloadLimit } from './payload-limit.ts';

export interface TemporalOptions {
  address: string;
  namespace: string;
  tls: boolean;
  apiKey: string | undefined;
}

/** Shared by clients and workers, so that both hold to the payload limit. */
export const dataConverter: DataConverter = { payloadCodecs: [payloadLimit] };

/** What a connection to Temporal needs, for clients and workers alike. */
export const connectionOptions = ({ address, tls, apiKey }: TemporalOptions) => ({
  address,
  ...(tls || apiKey ? { tls: true } : {}),
  ...(apiKey ? { apiKey } : {}),
});

/** A client that connects when it is first used, so that a process starts, and accepts work, without Temporal. */
export function createTemporalClient(
  options: TemporalOptions,
  interceptors: ClientInterceptors = {},
): Client {
  const connection = Connection.lazy(connectionOptions(options));
  return new Client({ connection, namespace: options.namespace, dataConverter, interceptors });
}
