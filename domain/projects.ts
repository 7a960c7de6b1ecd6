import { z } from 'zod';
import { leadSettings } from './leads.ts';
import { type EmbeddingModel, modelProviders, modelSettings } from './models.ts';
import type { SealedProviderKey } from './provider-keys.ts';

export { modelProviders };

export const defaultWelcomeMessage = 'Hello! How can I help you?';
export const positions = ['bottom-right', 'bottom-left', 'top-right', 'top-left'] as const;

const text = (max: number) => z.string().trim().max(max);
const webAddress = z.url({ protocol: /^https?$/ }).max(2_000);

/** A host name of an allowlist, sub-domains included; `example.com`, not a URL. */
const domain = z
  .string()
  .trim()
  .toLowerCase()
  .max(253)
  .regex(
    /^([a-z0-9-]+\.)*[a-z0-9-]+$/,
    'must be a host name such as example.com, without scheme, port or path',
  );

/** What an operator can set for a project. Stored as JSON; read through this schema, so that old rows get new defaults. */
export const projectSettings = z.object({
  provider: z.enum(modelProviders).default('local'),
  /** Empty: the provider's default. */
  model: text(200).default(''),
  temperature: z.number().min(0).max(2).default(0.7),
  ...modelSettings,
  maxOutputTokens: z.number().int().min(1).max(32_000).default(500),
  systemPrompt: text(20_000).default(''),
  /** The whole reply when the project's documents do not answer a question. */
  unknownText: text(2_000)
    .min(1)
    .default("I don't know: I found nothing about that in our documents. Please contact our support."),
  /** Where visitors can write to when their question is not answered; empty: nowhere. */
  contactEmail: z.union([z.email().max(254), z.literal('')]).default(''),
  /** 0 to 1: answers of less confidence are not given. Null: each provider's own measure. */
  confidenceThreshold: z.number().min(0).max(1).nullable().default(null),

  /** Tokens that the project may use in its whole life, and in a calendar month (UTC); null: no limit. */
  tokenLimit: z.number().int().positive().nullable().default(null),
  monthlyTokenBudget: z.number().int().positive().nullable().default(null),
  /** Answers that one verified lead may get, over all sessions; null: no limit. */
  assistantMessageLimit: z.number().int().positive().nullable().default(null),
  /** Whether and how visitors are asked who they are. */
  leads: leadSettings.prefault({}),
  /** Days after which conversations are removed; null: kept. */
  retentionDays: z.number().int().min(1).max(3_650).nullable().default(null),

  /** What visitors see, and what the prompt says of the business. */
  chatbotName: text(80).default('Assistant'),
  welcomeMessage: text(500).default(defaultWelcomeMessage),
  businessProfile: text(40).default(''),
  assistantProfile: text(4_000).default(''),
  /** BCP 47 language tags: the one to fall back to, and all that the assistant answers in (none: any). */
  primaryLanguage: text(35).default('en'),
  languages: z.array(text(35)).max(50).default([]),
  siteName: text(120).default(''),
  siteUrl: z.union([webAddress, z.literal('')]).default(''),
  avatarUrl: z.union([webAddress, z.literal('')]).default(''),
  primaryColor: z
    .string()
    .regex(/^#[0-9a-f]{6}$/i, 'must be a colour such as #0f766e')
    .default('#0f766e'),
  position: z.enum(positions).default('bottom-right'),
  /** Offered to a visitor who has not asked anything yet. */
  suggestedQuestions: z.array(text(200).min(1)).max(8).default([]),

  /** Sites whose pages may use the project's keys; empty: every site. */
  allowedDomains: z.array(domain).max(200).default([]),
  /** Whether pages on localhost may use its live keys too; they may always use its test keys. */
  allowLocalhost: z.boolean().default(false),
});

export type ProjectSettings = z.infer<typeof projectSettings>;

/** The same without defaults: every field is there. */
export const wholeProjectSettings = z.object(
  mapFields((field) => field.unwrap()) as unknown as {
    [K in keyof ProjectSettings]: z.ZodType<ProjectSettings[K]>;
  },
);

/** Any of the settings, and no defaults for the others: what a change is made of. */
export const projectSettingsChange = z.object(
  mapFields((field) => field.unwrap().optional()) as unknown as {
    [K in keyof ProjectSettings]: z.ZodOptional<z.ZodType<ProjectSettings[K]>>;
  },
);

type Field = (typeof projectSettings.shape)[keyof ProjectSettings];

function mapFields(change: (field: Field) => z.ZodType): Record<string, z.ZodType> {
  return Object.fromEntries(
    Object.entries(projectSettings.shape).map(([name, field]) => [name, change(field)]),
  );
}

export interface Project {
  id: string;
  name: string;
  settings: ProjectSettings;
}

/** A project as the members of its workspace see it. */
export interface ProjectRecord extends Project {
  workspaceId: string | null;
  /** An inactive project's keys are refused. */
  active: boolean;
  createdAt: Date;
}

/** What is needed to call models for a project. The keys are encrypted. */
export interface ProjectAccess {
  projectId: string;
  settings: ProjectSettings;
  keys: readonly SealedProviderKey[];
}

/** What writing the project's index takes as well. */
export interface IndexAccess extends ProjectAccess {
  /** Of the space that is written to beside the project's own while its index is rebuilt. */
  secondModel: EmbeddingModel | null;
}
