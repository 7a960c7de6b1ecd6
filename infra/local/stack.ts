// All local servers together, for the launcher and for the tests.
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Download, download, downloadPaths } from './download.ts';
import { planElasticsearch } from './elasticsearch.ts';
import { type Folders, openFolders, publicFolder } from './folders.ts';
import { planMailbox } from './mailbox.ts';
import { choosePorts, type PortName } from './ports.ts';
import { planPostgres } from './postgres.ts';
import { createSupervisor, type ProcessPlan, type Supervised, type Supervisor } from './supervisor.ts';
import { planTemporal } from './temporal.ts';

export const serverNames = ['postgres', 'temporal', 'elasticsearch', 'mailbox'] as const;
export type ServerName = (typeof serverNames)[number];

/** Where the servers are. One is undefined where it was neither started nor given. */
export type ServerUrls = {
  databaseUrl: string | undefined;
  /** host:port */
  temporalAddress: string | undefined;
  temporalUiUrl: string | undefined;
  elasticsearchUrl: string | undefined;
  smtpUrl: string | undefined;
  mailboxUrl: string | undefined;
};

/** What the configuration may name already; those servers are not started. */
export type GivenServers = {
  DATABASE_URL?: string | undefined;
  TEMPORAL_ADDRESS?: string | undefined;
  ELASTICSEARCH_URL?: string | undefined;
  SMTP_URL?: string | undefined;
  SMTP_HOST?: string | undefined;
  RESEND_API_KEY?: string | undefined;
};

export type ServersOptions = {
  /** FRONTDESK_HOME: downloads, and the data unless `ephemeral`. */
  home: string;
  given?: GivenServers;
  /** Start only these (of those not given). */
  which?: readonly ServerName[];
  /**
   * A name for throw-away servers (letters, digits, "-"): their data, logs and run files lie in a folder of that
   * name in home. The data is emptied first and removed by stop(), the ports are random, and Temporal keeps its
   * histories in memory.
   */
  ephemeral?: string;
  /** Throw-away servers whose Temporal keeps its histories on the disk, for tests that kill it. */
  keepHistories?: boolean;
  /** What else to fetch before the servers start. */
  downloads?: readonly Download[];
  /** Runs the servers, in a place whose leftovers it has stopped; one is made when absent. */
  supervisor?: Supervisor;
  onProgress?: (line: string) => void;
  /** Ends downloads that are under way. */
  signal?: AbortSignal | undefined;
};

export type Servers = ServerUrls & {
  /** Those that were started, for tests that kill them. */
  processes: Partial<Record<ServerName, Supervised>>;
  folders: Folders;
  /** Stops everything that the supervisor runs. */
  stop(): Promise<void>;
  /** SIGKILL to all of it, without waiting. */
  killNow(): void;
};

/**
 * Downloads what is missing and starts in parallel every server that is not given, after stopping what a killed
 * launcher has left running in the same place. When one cannot be started, all are stopped and the Error says why.
 * Two must not run in the same place: the caller holds its lock (lock.ts).
 */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const { given = {}, which = serverNames, ephemeral, onProgress = () => {} } = options;
  const inMemory = ephemeral !== undefined && !options.keepHistories;
  const folders = openFolders(options.home, onProgress);
  const places = placesOf(folders, ephemeral);
  const names = which.filter((name) => !isGiven[name](given));

  const supervisor = options.supervisor ?? createSupervisor(places.state, onProgress);
  if (!options.supervisor) await supervisor.stopLeftovers();
  if (ephemeral) {
    rmSync(places.data, { recursive: true, force: true, maxRetries: 3 });
    publicFolder(dirname(places.data));
    publicFolder(places.data);
  }
  const stop = async () => {
    await supervisor.stop();
    if (ephemeral) rmSync(places.data, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    const downloads = names.filter((name) => name === 'temporal' || name === 'elasticsearch');
    await download(folders, [...downloads, ...(options.downloads ?? [])], {
      onProgress,
      signal: options.signal,
    });
    const ports = await choosePorts(
      names.flatMap((name) => portsOf[name]),
      ephemeral ? { random: true } : { file: join(folders.home, 'ports.json') },
    );
    const running = await Promise.all(
      names.map(async (name) => {
        const since = Date.now();
        const { plan, urls } = await planServer(name, {
          folders,
          data: places.data,
          ports,
          inMemory,
        });
        const handle = await supervisor.start(plan);
        onProgress(`${titles[name]}: ready after ${((Date.now() - since) / 1000).toFixed(1)} s`);
        return { name, handle, urls };
      }),
    );
    return {
      ...urlsOf(given),
      ...Object.assign({}, ...running.map(({ urls }) => urls)),
      processes: Object.fromEntries(running.map(({ name, handle }) => [name, handle])),
      folders,
      stop,
      killNow: () => supervisor.killNow(),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Where servers keep their data, and their logs and run files: throw-away ones in a folder of their own. */
export function placesOf(folders: Folders, ephemeral?: string): { data: string; state: string } {
  if (!ephemeral) return { data: folders.servers, state: folders.home };
  return { data: join(folders.servers, ephemeral, 'data'), state: join(folders.home, ephemeral) };
}

const titles: Record<ServerName, string> = {
  postgres: 'PostgreSQL',
  temporal: 'Temporal',
  elasticsearch: 'Elasticsearch',
  mailbox: 'Mailbox',
};

const portsOf: Record<ServerName, readonly PortName[]> = {
  postgres: ['postgres'],
  temporal: ['temporal', 'temporalUi'],
  elasticsearch: ['elasticsearch', 'elasticsearchTransport'],
  mailbox: ['smtp', 'mailbox'],
};

const isGiven: Record<ServerName, (given: GivenServers) => boolean> = {
  postgres: (given) => given.DATABASE_URL !== undefined,
  temporal: (given) => given.TEMPORAL_ADDRESS !== undefined,
  elasticsearch: (given) => given.ELASTICSEARCH_URL !== undefined,
  mailbox: (given) => (given.SMTP_URL ?? given.SMTP_HOST ?? given.RESEND_API_KEY) !== undefined,
};

function urlsOf(given: GivenServers): ServerUrls {
  return {
    databaseUrl: given.DATABASE_URL,
    temporalAddress: given.TEMPORAL_ADDRESS,
    temporalUiUrl: undefined,
    elasticsearchUrl: given.ELASTICSEARCH_URL,
    smtpUrl: given.SMTP_URL,
    mailboxUrl: undefined,
  };
}

async function planServer(
  name: ServerName,
  context: { folders: Folders; data: string; ports: Record<PortName, number>; inMemory: boolean },
): Promise<{ plan: ProcessPlan; urls: Partial<ServerUrls> }> {
  const { folders, data, ports, inMemory } = context;
  const paths = downloadPaths(folders);
  switch (name) {
    case 'postgres': {
      const { plan, url } = await planPostgres(folders, { data, port: ports.postgres });
      return { plan, urls: { databaseUrl: url } };
    }
    case 'temporal': {
      const listen = { port: ports.temporal, uiPort: ports.temporalUi };
      const { plan, address, uiUrl } = planTemporal({ program: paths.temporal, data, inMemory, ...listen });
      return { plan, urls: { temporalAddress: address, temporalUiUrl: uiUrl } };
    }
    case 'elasticsearch': {
      const listen = { port: ports.elasticsearch, transportPort: ports.elasticsearchTransport };
      const { plan, url } = planElasticsearch(folders, {
        distribution: paths.elasticsearch,
        data,
        ...listen,
      });
      return { plan, urls: { elasticsearchUrl: url } };
    }
    case 'mailbox': {
      const { plan, smtpUrl, url } = planMailbox({ data, smtpPort: ports.smtp, webPort: ports.mailbox });
      return { plan, urls: { smtpUrl, mailboxUrl: url } };
    }
  }
}
