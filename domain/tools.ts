// Databases that a project's assistant may be allowed to ask, and tools that it may be given. Names as on the wire.
import { z } from 'zod';

export const dbTypes = ['postgresql', 'mysql', 'mongodb'] as const;
export const toolTypes = ['db_query', 'rest_api'] as const;

const short = z.string().trim().max(500);

/** What is not secret of a connection. */
export const dbConnection = z.object({
  description: z.string().trim().max(2_000).default(''),
  db_type: z.enum(dbTypes),
  host: short.default(''),
  port: z.number().int().min(1).max(65_535).nullable().default(null),
  database: short.default(''),
  username: short.default(''),
  /** What the model is told about tables and fields. */
  schema_info: z.string().max(200_000).default(''),
  enabled: z.boolean().default(true),
});
export type DbConnection = z.infer<typeof dbConnection>;

export const dbSecrets = z.object({
  password: z.string().max(1_000).optional(),
  connection_string: z.string().max(4_000).optional(),
});
export type DbSecrets = z.infer<typeof dbSecrets>;

/** What is not secret of a tool. */
export const tool = z.object({
  description: z.string().trim().max(2_000).default(''),
  tool_type: z.enum(toolTypes),
  enabled: z.boolean().default(true),
});
export type Tool = z.infer<typeof tool>;

/** Becomes a part of the name of a function that a model sees. */
export const functionName = z
  .string()
  .trim()
  .regex(/^[A-Za-z0-9_-]{1,50}$/, 'must be 1 to 50 letters, digits, "_" or "-"');

/** An object, or its text. */
export const toolConfig = z
  .union([
    z.record(z.string(), z.unknown()),
    z.string().transform((text, context): Record<string, unknown> => {
      const parsed = z.record(z.string(), z.unknown()).safeParse(jsonOf(text));
      if (parsed.success) return parsed.data;
      context.addIssue('must be a JSON object');
      return z.NEVER;
    }),
  ])
  .refine((config) => JSON.stringify(config).length <= 65_536, 'must be at most 64 KB');

function jsonOf(text: string): unknown {
  try {
    return text.trim() === '' ? {} : JSON.parse(text);
  } catch {
    return undefined;
  }
}
