// Starts every server once for a whole test run, and stops them afterwards.
import type { TestProject } from 'vitest/node';
import { readConfig } from '../../config.ts';
import { download, downloadPaths } from '../../infra/local/download.ts';
import { startThrowAwayServers } from '../../infra/local/throwaway.ts';
import { createTemplateDatabase } from './environment.ts';

export interface TestServers {
  databaseUrl: string;
  /** host:port */
  temporalAddress: string;
  temporalUiUrl: string;
  elasticsearchUrl: string;
  smtpUrl: string;
  mailboxUrl: string;
  /** The program of the time-skipping server; undefined where it cannot be fetched, and the SDK has to. */
  timeSkippingServer: string | undefined;
}

declare module 'vitest' {
  export interface ProvidedContext {
    servers: TestServers;
  }
}

/** Of the projects that need servers the first starts them, for all. */
export default async function setup({ vitest }: TestProject): Promise<(() => Promise<void>) | undefined> {
  const root = vitest.getRootProject();
  if ('servers' in root.getProvidedContext()) return undefined;
  const { FRONTDESK_HOME: home } = readConfig();
  const onProgress = (line: string) => console.log(line);
  const { folders, stop, ...urls } = await startThrowAwayServers('test', {
    home,
    downloads: ['model'],
    onProgress,
  });
  const databaseUrl = given(urls.databaseUrl);
  await createTemplateDatabase(databaseUrl);
  root.provide('servers', {
    databaseUrl,
    temporalAddress: given(urls.temporalAddress),
    temporalUiUrl: given(urls.temporalUiUrl),
    elasticsearchUrl: given(urls.elasticsearchUrl),
    smtpUrl: given(urls.smtpUrl),
    mailboxUrl: given(urls.mailboxUrl),
    timeSkippingServer: await download(folders, ['testServer'], { onProgress }).then(
      () => downloadPaths(folders).testServer,
      () => undefined,
    ),
  });
  return stop;
}

function given(url: string | undefined): string {
  if (url === undefined) throw new Error('a server was not started');
  return url;
}
