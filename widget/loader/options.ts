// What a page sets: the attributes of its script tag, under the names of all three kinds of tag that exist.
import type { Texts as PanelTexts } from '../texts/en.ts';
import type { LauncherTexts } from '../texts/launcher.ts';

/** Every text that a page can override. */
export type Texts = PanelTexts & LauncherTexts;

export const positions = ['bottom-right', 'bottom-left', 'top-right', 'top-left'] as const;
export type Position = (typeof positions)[number];
export type Theme = 'light' | 'dark' | 'auto';
/**
 * When the visitor is asked who they are: never, before the first question, after some answers, when a question could
 * not be answered, or when they want to be.
 */
export const leadModes = ['off', 'before', 'after', 'unanswered', 'request'] as const;
export type LeadMode = (typeof leadModes)[number];

/** Who the visitor is, as the page says. Only a token that the site's server signed is believed. */
export interface Identity {
  userId?: string;
  name?: string;
  email?: string;
  meta?: Record<string, unknown>;
  token?: string;
}

/** What the launcher needs. */
export interface LauncherOptions {
  apiKey: string;
  /** Without a slash at its end. */
  apiUrl: string;
  color?: string;
  /** A side is a corner at the bottom. */
  position?: Position;
  language?: string;
  theme?: Theme;
  /** Open when the page is, until the visitor has closed it once. */
  open?: boolean;
  texts?: Partial<Texts>;
  /** For the style elements of browsers without constructable style sheets. */
  nonce?: string;
}

/** What the panel needs. */
export interface PanelOptions {
  title?: string;
  welcome?: string;
  placeholder?: string;
  /** The line under the field; empty hides it. */
  notice?: string;
  avatar?: string;
  lead?: LeadMode;
  suggestions?: string[];
  user?: Identity;
}

export type WidgetOptions = LauncherOptions & PanelOptions;

/** The value of a script tag's attribute, by its name without `data-`. */
export type ReadAttribute = (name: string) => string | null;

const reader =
  (attribute: ReadAttribute) =>
  (...names: string[]) => {
    for (const name of names) {
      const value = attribute(name)?.trim();
      if (value) return value;
    }
    return undefined;
  };

export function launcherOptionsOf(attribute: ReadAttribute, scriptUrl: string): LauncherOptions {
  const text = reader(attribute);
  return {
    apiKey: text('api-key') ?? '',
    apiUrl: apiUrlOf(text('api-url') ?? new URL(scriptUrl).origin, scriptUrl),
    color: text('primary-color', 'accent-color'),
    position: positionOf(text('position')),
    language: text('language'),
    theme: oneOf(['light', 'dark', 'auto'] as const, text('theme')),
    open: (attribute('open') ?? 'false') !== 'false',
    texts: json(text('texts')) as Partial<Texts> | undefined,
  };
}

/** Read by the panel, so that the loader stays small. */
export function panelOptionsOf(attribute: ReadAttribute): PanelOptions {
  const text = reader(attribute);
  return {
    title: text('title'),
    welcome: text('welcome', 'welcome-message'),
    placeholder: text('input-placeholder', 'placeholder'),
    // Here an empty value means something: no notice at all.
    notice: attribute('notice')?.trim(),
    avatar: text('avatar'),
    lead: oneOf(leadModes, text('lead')),
    suggestions: text('suggestions')
      ?.split('|')
      .map((item) => item.trim())
      .filter(Boolean),
    user: identityOf({
      userId: text('user-id'),
      name: text('user-name'),
      email: text('user-email'),
      meta: json(text('user-meta')) as Identity['meta'],
      token: text('user-token'),
    }),
  };
}

/** The server's address, from it or from the address of its chat call, which one of the tags carries. */
export function apiUrlOf(value: string, base: string): string {
  const { origin, pathname } = new URL(value, base);
  return origin + pathname.replace(/\/+$/, '').replace(/(\/v1)?\/chat(\/stream)?$/, '');
}

/** `left` and `right` mean the corners at the bottom. */
export function positionOf(value: string | undefined): Position | undefined {
  return oneOf(positions, value === 'left' || value === 'right' ? `bottom-${value}` : value);
}

/** Undefined when nothing is known of the visitor. */
function identityOf(identity: Identity): Identity | undefined {
  return Object.values(identity).some((value) => value !== undefined) ? identity : undefined;
}

function oneOf<T extends string>(values: readonly T[], value: string | undefined): T | undefined {
  return values.find((item) => item === value);
}

/** An object, or undefined where the page wrote something else: a typo must not cost the page its chat. */
function json(text: string | undefined): object | undefined {
  try {
    const value = text ? JSON.parse(text) : undefined;
    return value && typeof value === 'object' ? value : undefined;
  } catch {
    console.warn('Frontdesk: an attribute is not valid JSON.');
    return undefined;
  }
}
