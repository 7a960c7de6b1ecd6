// The project's settings for the widget, kept for a day as the existing clients keep them.
import type { LauncherOptions, LeadMode, Position } from './options.ts';

export interface Settings {
  chatbotName: string;
  welcomeMessage: string;
  primaryColor: string;
  position: Position;
  avatarUrl: string;
  siteName: string;
  siteUrl: string;
  primaryLanguage: string;
  suggestedQuestions: string[];
  leadConsent: string;
  leadMode: LeadMode;
  /** With mode `after`: this many answers first. */
  leadAfter: number;
  leadFields: LeadField[];
  leadResendSeconds: number;
  /** Whether visitors sign in at the site's own login before they ask. */
  requiresLogin: boolean;
}

/** Something else that a visitor may say of themselves. */
export interface LeadField {
  key: string;
  label: string;
  type: 'text' | 'phone' | 'number' | 'date' | 'url' | 'choice';
  choices: string[];
}

const dayMs = 24 * 60 * 60 * 1000;
/** Longer than this the launcher does not wait for its colour. */
const patienceMs = 1500;

/** The name of what this widget keeps in the page's storage. */
export function storageName({ apiUrl, apiKey }: Pick<LauncherOptions, 'apiUrl' | 'apiKey'>): string {
  // FNV-1a: a short name for this server and key, so that the key itself is not written a second time.
  let hash = 0x811c9dc5;
  for (const character of `${apiUrl} ${apiKey}`) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return `frontdesk:${(hash >>> 0).toString(36)}`;
}

/** Reads JSON from the page's storage, which may be blocked. */
export function stored<T>(name: string): T | undefined {
  try {
    return JSON.parse(localStorage.getItem(name) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

export function store(name: string, value: unknown): void {
  try {
    if (value === undefined) localStorage.removeItem(name);
    else localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // Blocked or full: the widget works without it, for this page.
  }
}

/** The settings: at once where they are kept, else when the server answers or patience ends. Undefined: unknown yet. */
export async function loadSettings(
  options: LauncherOptions,
  onChange: (settings: Settings) => void,
): Promise<Settings | undefined> {
  const name = `${storageName(options)}:settings`;
  const kept = stored<{ at: number; settings: Settings }>(name);
  if (kept && Date.now() - kept.at < dayMs) {
    // A change by the operator is seen on the next page, and costs this one nothing.
    setTimeout(() => void fetchSettings(options, name), 3000);
    return kept.settings;
  }
  const coming = fetchSettings(options, name);
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, patienceMs));
  const settings = await Promise.race([coming, late]);
  if (!settings) void coming.then((found) => found && onChange(found));
  return settings ?? kept?.settings;
}

async function fetchSettings(options: LauncherOptions, name: string): Promise<Settings | undefined> {
  try {
    const response = await fetch(`${options.apiUrl}/v1/widget/config`, {
      headers: { 'x-api-key': options.apiKey },
    });
    if (!response.ok) {
      const { message } = await response.json().catch(() => ({ message: response.status }));
      console.warn(`Frontdesk: ${message}`);
      return undefined;
    }
    const { config: settings } = (await response.json()) as { config: Settings };
    store(name, { at: Date.now(), settings });
    return settings;
  } catch {
    return undefined;
  }
}
