// `frontdesk import-assistants`: makes a project of each site that an assistants proxy served, with what OpenAI holds
// of its assistant.
import { z } from 'zod';
import { definedOf } from '../api/defined.ts';
import type { Config } from '../config.ts';
import { email } from '../domain/accounts.ts';
import { assistantImport } from '../domain/deadlines.ts';
import { hostName } from '../domain/hosts.ts';
import { newProviderKey } from '../domain/provider-keys.ts';
import { projectSettings, projectSettingsChange } from '../domain/projects.ts';
import { withLimits } from '../outbound/limits.ts';
import { isUuid } from '../stores/postgres/client.ts';
import type { Stores } from '../stores/postgres/index.ts';
import { newApiKey } from '../stores/postgres/keys.ts';
import { operator, withStores } from './accounts.ts';
import { reasonOf } from './finding.ts';

/** One site as the proxy's variables have it. */
export interface ProxySite {
  domain: string;
  openAiKey: string;
  assistantId: string;
  leadRecipients: string[];
}

const assistant = z.object({
  name: z.string().nullish(),
  instructions: z.string().nullish(),
  model: z.string(),
  temperature: z.number().nullish(),
});

/** Puts the lists together. Throws an Error that says which do not fit. */
export function sitesOf({
  DOMAINS,
  OPENAI_API_KEYS,
  ASSISTANT_IDS,
  EMAIL_TO,
}: Pick<Config, 'DOMAINS' | 'OPENAI_API_KEYS' | 'ASSISTANT_IDS' | 'EMAIL_TO'>): ProxySite[] {
  if (DOMAINS.length === 0) throw new Error('DOMAINS is not set: a list in JSON, such as ["shop.example"].');
  for (const [name, list] of Object.entries({ OPENAI_API_KEYS, ASSISTANT_IDS })) {
    if (list.length !== DOMAINS.length) {
      throw new Error(
        `${name} has ${list.length} entries and DOMAINS ${DOMAINS.length}: they belong together.`,
      );
    }
  }
  if (EMAIL_TO.length > 1 && EMAIL_TO.length !== DOMAINS.length) {
    throw new Error(`EMAIL_TO has ${EMAIL_TO.length} entries: give one for all, or ${DOMAINS.length}.`);
  }
  return DOMAINS.map((domain, index) => ({
    domain: domain.replace(/^https?:\/\//, '').replace(/[:/].*$/, ''),
    openAiKey: OPENAI_API_KEYS[index]!,
    assistantId: ASSISTANT_IDS[index]!,
    leadRecipients: (EMAIL_TO[index] ?? EMAIL_TO[0] ?? '')
      .split(',')
      .map((address) => address.trim())
      .filter(Boolean),
  }));
}

/** Reads an assistant's instructions and model. Throws an Error that says what is wrong, without the key. */
export async function readAssistant(
  call: typeof fetch,
  baseUrl: string,
  { openAiKey, assistantId }: ProxySite,
): Promise<z.infer<typeof assistant>> {
  const limited = withLimits(call, { totalMs: assistantImport, maxBytes: 2 * 1024 * 1024 });
  const response = await limited(
    `${baseUrl.replace(/\/+$/, '')}/assistants/${encodeURIComponent(assistantId)}`,
    {
      headers: { authorization: `Bearer ${openAiKey}`, 'openai-beta': 'assistants=v2' },
    },
  );
  const body: unknown = await response.json().catch(() => undefined);
  if (!response.ok)
    throw new Error(`OpenAI answered ${response.status} for ${assistantId}${meaning(response.status)}.`);
  const read = assistant.safeParse(body);
  if (!read.success) throw new Error(`OpenAI's answer for ${assistantId} is not an assistant.`);
  return read.data;
}

const meaning = (status: number): string =>
  ({ 401: ': its key is not valid', 403: ': its key may not read it', 404: ': there is no such assistant' })[
    status
  ] ?? '';

export interface Imported {
  /** What was done, a line for each site. */
  lines: string[];
  /** What was not done, and why. */
  failures: string[];
}

/** Imports every site; one that fails does not keep the others back. Can run again: a project that is there is updated. */
export async function importAssistants(
  config: Config,
  workspaceId: string,
  { call = fetch }: { call?: typeof fetch } = {},
): Promise<Imported> {
  const sites = sitesOf(config);
  return await withStores(config, async (stores) => {
    if (!isUuid(workspaceId) || !(await stores.workspaces.exists(workspaceId))) {
      throw new Error(`There is no workspace ${workspaceId}.`);
    }
    const imported: Imported = { lines: [], failures: [] };
    for (const site of sites) {
      try {
        const found = await readAssistant(call, config.OPENAI_BASE_URL, site);
        imported.lines.push(await importSite(stores, workspaceId, site, found));
      } catch (error) {
        imported.failures.push(`${site.domain}: ${reasonOf(error)}`);
      }
    }
    return imported;
  });
}

async function importSite(
  stores: Stores,
  workspaceId: string,
  site: ProxySite,
  { name, instructions, model, temperature }: z.infer<typeof assistant>,
): Promise<string> {
  const host = hostName.parse(site.domain);
  const leadRecipients = z.array(email).parse(site.leadRecipients);
  const key = newProviderKey.parse({ apiKey: site.openAiKey });
  const settings = projectSettingsChange.parse({
    provider: 'openai',
    model,
    systemPrompt: instructions ?? '',
    temperature: temperature ?? undefined,
  });
  const known = await stores.hosts.find(host);
  const owned = known ? (await stores.projects.record(known))?.workspaceId === workspaceId : true;
  if (!owned) throw new Error('another workspace has this host already');
  const project = known
    ? await stores.projects.change(known, { settings: definedOf(settings) }, operator)
    : await stores.projects.createIn(
        workspaceId,
        { name: name || host, settings: projectSettings.parse({ ...settings, allowedDomains: [host] }) },
        { key: newApiKey('live'), name: 'Project key', kind: 'ordinary', environment: 'live' },
        operator,
      );
  if (!project) throw new Error('its project was deleted meanwhile');
  await stores.providerKeys.put(project.id, 'openai', key, operator);
  await stores.hosts.set(project.id, host, { leadRecipients }, operator);
  return `${host}: project ${project.id} (${project.name}), ${model}`;
}
