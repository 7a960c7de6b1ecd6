import { z } from 'zod';

/** What an operator can set for a project. Stored as JSON; read through this schema, so that old rows get new defaults. */
export const projectSettings = z.object({
  provider: z.enum(['local']).default('local'),
  model: z.string().default('extractive'),
  temperature: z.number().min(0).max(2).default(0.7),
  maxOutputTokens: z.number().int().positive().default(500),
  systemPrompt: z.string().default(''),
  /** The whole reply when the project's documents do not answer a question. */
  unknownText: z
    .string()
    .default("I don't know: I found nothing about that in our documents. Please contact our support."),
});

export type ProjectSettings = z.infer<typeof projectSettings>;

export interface Project {
  id: string;
  name: string;
  settings: ProjectSettings;
}
