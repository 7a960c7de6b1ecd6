// A lead: a visitor who said who they are, and proved the address. A session is one visitor's way there.
import { z } from 'zod';

/** `open`: chatting, not yet asked. The wire knows the four in the middle; an open session is `ready` there. */
export const sessionStages = [
  'open',
  'awaiting_name',
  'awaiting_email',
  'awaiting_otp',
  'ready',
  'expired',
  'blocked',
] as const;
export type SessionStage = (typeof sessionStages)[number];
export type WireStage = Extract<SessionStage, 'awaiting_name' | 'awaiting_email' | 'awaiting_otp' | 'ready'>;

export const leadStatuses = ['new', 'contacted', 'qualified', 'won', 'lost'] as const;
export type LeadStatus = (typeof leadStatuses)[number];

/** When a visitor is asked: `before` the chat, `after` some answers, when one was `unanswered`, or on `request`. */
export const leadModes = ['off', 'before', 'after', 'unanswered', 'request'] as const;

const label = z.string().trim().min(1).max(80);
const fieldTypes = ['text', 'phone', 'number', 'date', 'url', 'choice'] as const;

/** Something else that a visitor may say of themselves: phone, company, anything. */
export const leadField = z
  .object({
    key: z.string().regex(/^[a-z][a-zA-Z0-9_]{0,39}$/, 'must be a short name such as company'),
    label,
    type: z.enum(fieldTypes).default('text'),
    choices: z.array(label).max(50).default([]),
  })
  .refine((field) => field.type !== 'choice' || field.choices.length > 0, 'a choice needs "choices"');
export type LeadField = z.infer<typeof leadField>;

/** How a project asks its visitors. Durations and numbers hold for sessions that begin afterwards. */
export const leadSettings = z.object({
  /** Null: never set. Calls of the lead flow then ask before the chat, and the widget does not ask by itself. */
  mode: z.enum(leadModes).nullable().default(null),
  /** With mode `after`: this many answers first. */
  afterAnswers: z.number().int().min(1).max(50).default(3),
  fields: z.array(leadField).max(20).default([]),
  /** Shown before the address is asked for; stored with the lead, with its version and the time. */
  consent: z
    .object({ version: label, text: z.string().trim().min(1).max(2_000) })
    .nullable()
    .default(null),
  /** Whether the address's domain must have a mail server. */
  checkMailServer: z.boolean().default(false),
  codeMinutes: z.number().int().min(1).max(60).default(10),
  /** Wrong codes after which a session is blocked. */
  codeTries: z.number().int().min(1).max(10).default(5),
  resendSeconds: z.number().int().min(10).max(600).default(60),
  resends: z.number().int().min(0).max(10).default(3),
  /** A session in which nobody says anything for this long ends. */
  sessionMinutes: z.number().int().min(5).max(1_440).default(30),
  /** How long a verified visitor is recognised. */
  visitorDays: z.number().int().min(1).max(365).default(30),
  /** Codes that are mailed within an hour at most. */
  codesPerAddress: z.number().int().min(1).max(100).default(5),
  codesPerIp: z.number().int().min(1).max(10_000).default(20),
  codesPerProject: z.number().int().min(1).max(100_000).default(1_000),
  /** Who is told of each new lead, with the transcript. */
  notify: z.array(z.email().max(254)).max(20).default([]),
});
export type LeadSettings = z.infer<typeof leadSettings>;

/** How a session asks that was begun by a call of the lead flow. */
export const modeOfCalls = ({ mode }: Pick<LeadSettings, 'mode'>) => mode ?? 'before';

/** What the verification's workflow holds to: the project's settings when the session began. Milliseconds. */
export interface VerificationRules {
  codeLife: number;
  resendPause: number;
  resends: number;
  sessionLife: number;
}

export const rulesOf = (settings: LeadSettings): VerificationRules => ({
  codeLife: settings.codeMinutes * 60_000,
  resendPause: settings.resendSeconds * 1_000,
  resends: settings.resends,
  sessionLife: settings.sessionMinutes * 60_000,
});

/** What became of what a visitor entered. The API puts it into words. */
export const outcomes = [
  'name_taken',
  'name_invalid',
  'email_invalid',
  'email_disposable',
  'email_without_server',
  'code_sent',
  'code_already_sent',
  'code_wrong',
  'code_expired',
  'code_not_found',
  'code_not_pending',
  'resend_too_soon',
  'resend_too_often',
  'mail_limit',
  'not_now',
  'blocked',
  'expired',
  'verified',
] as const;
export type Outcome = (typeof outcomes)[number];

/** The answer to one call, as the workflow gives it. */
export interface StepResult {
  stage: SessionStage;
  outcome: Outcome;
  /** Wrong codes that are still allowed. */
  triesLeft?: number;
  retryAfterSeconds?: number;
}

const openings =
  /^(my name is|my name's|name is|i am|i'm|this is|it's|ich heiße|ich heisse|ich bin|mein name ist|me llamo|mi nombre es|soy|je m'appelle|mi chiamo|اسمي|أنا)\s+/iu;
const greetings =
  /^(hi|hello|hey|hallo|guten (tag|morgen|abend)|moin|hola|buenos días|buenas( tardes| noches)?|bonjour|salut|ciao|مرحبا|أهلا|السلام عليكم|你好|こんにちは|안녕하세요)$/iu;
const nameShape = /^[\p{L}\p{M}](?:[\p{L}\p{M} '’‘`.,·・-]|\u200c|\u200d)*$/u;
const maxNameLength = 80;
const maxNameWords = 7;

/** The name in what a visitor answered, in any script; undefined where there is none. */
export function nameIn(message: string): string | undefined {
  const name = message
    .normalize('NFC')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(openings, '')
    .replace(/[.,!。！]+$/u, '');
  if (name === '' || name.length > maxNameLength || name.split(' ').length > maxNameWords) return undefined;
  return nameShape.test(name) && !greetings.test(name) ? name : undefined;
}

const questionWords =
  /^(what|when|where|who|whom|whose|which|why|how|can|could|do|does|did|is|are|will|would|should|may|have|was|wann|wo|wer|wen|wem|was|welche[rsmn]?|warum|wieso|wie|kann|können|könnt|gibt|haben|habt|hat|ist|sind|qué|que|cuándo|cuando|dónde|donde|quién|cuál|cuáles|cómo|como|cuánto|cuánta|puedo|pueden|tienen|hay|هل|ما|ماذا|متى|أين|كيف|كم|لماذا|من)\s+\S/iu;

/** Whether it asks something rather than answers what was asked. */
export function isQuestion(message: string): boolean {
  const text = message.trim();
  return /[?？؟]\s*$/u.test(text) || (questionWords.test(text) && text.split(/\s+/).length > 2);
}

/** The code in what a visitor answered: six digits, with spaces or hyphens between, in any script's digits. */
export function codeIn(message: string): string | undefined {
  const digits = message
    .normalize('NFKC')
    .replace(/[٠-٩]/g, (digit) => String(digit.charCodeAt(0) - 0x0660))
    .replace(/[۰-۹]/g, (digit) => String(digit.charCodeAt(0) - 0x06f0))
    .replace(/[\s-]/g, '');
  return /^\d{6}$/.test(digits) ? digits : undefined;
}

const address = z.email({ pattern: z.regexes.unicodeEmail }).max(254);

/** The address in what a visitor answered, in lower case; undefined where there is none or more than one. */
export function emailIn(message: string): string | undefined {
  const words = message
    .normalize('NFC')
    .split(/[\s<>()]+/)
    .filter((word) => word.includes('@'));
  if (words.length !== 1) return undefined;
  const email = words[0]!
    .replace(/^mailto:/i, '')
    .replace(/[.,;:!]+$/, '')
    .toLowerCase();
  return address.safeParse(email).success && /\.[^.@\d]{2,}$/u.test(email) ? email : undefined;
}

const shapes: Record<LeadField['type'], z.ZodType<string>> = {
  text: z.string().trim().min(1).max(500),
  phone: z
    .string()
    .trim()
    .regex(/^\+?[\d\s()./-]{5,30}$/, 'must be a phone number'),
  number: z
    .string()
    .trim()
    .regex(/^-?\d{1,15}([.,]\d{1,6})?$/, 'must be a number'),
  date: z.iso.date(),
  url: z.url({ protocol: /^https?$/ }).max(500),
  choice: z.string(),
};

/** The fields as the project defines them. Throws an Error that names the first that is unknown or does not fit. */
export function readFields(
  definitions: readonly LeadField[],
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(given).map(([key, value]) => {
      const field = definitions.find((definition) => definition.key === key);
      if (!field) throw new Error(`fields.${key}: this project has no such field`);
      const shape = field.type === 'choice' ? z.enum(field.choices) : shapes[field.type];
      const parsed = shape.safeParse(value);
      if (!parsed.success) throw new Error(`fields.${key}: ${parsed.error.issues[0]!.message}`);
      return [key, parsed.data];
    }),
  );
}

/** Clients choose the session ids of conversations elsewhere; the prefix keeps these apart. */
export const leadConversation = (sessionId: string) => `lead:${sessionId}`;

/** More than any honest visitor enters in one session. */
export const maxInputs = 100;
