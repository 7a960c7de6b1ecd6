// A project on the wire: the names of the contracts for what our settings call otherwise.
import { z } from 'zod';
import {
  modelProviders,
  type ProjectRecord,
  type ProjectSettings,
  projectSettingsChange,
  wholeProjectSettings,
} from '../domain/projects.ts';

const nested = {
  model: true,
  temperature: true,
  maxOutputTokens: true,
  assistantMessageLimit: true,
} as const;
const own = { ...nested, provider: true } as const;

/** What POST and PATCH take; `name` is required by POST alone. */
export const projectBody = projectSettingsChange.omit(own).extend({
  name: z.string().trim().min(1).max(120).optional(),
  modelProvider: z.enum(modelProviders).optional(),
  modelConfig: projectSettingsChange.pick(nested).optional(),
});

export function settingsOf(body: z.infer<typeof projectBody>): Partial<ProjectSettings> {
  const { name: _name, modelProvider, modelConfig, ...rest } = body;
  const given = { ...rest, ...modelConfig, provider: modelProvider };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

export const projectView = wholeProjectSettings.omit(own).extend({
  id: z.uuid(),
  workspaceId: z.uuid().nullable(),
  name: z.string(),
  active: z.boolean(),
  createdAt: z.date(),
  modelProvider: z.enum(modelProviders),
  modelConfig: wholeProjectSettings.pick(nested),
});

export function viewOf({ settings, ...project }: ProjectRecord): z.infer<typeof projectView> {
  const { provider, model, temperature, maxOutputTokens, assistantMessageLimit, ...rest } = settings;
  return {
    ...rest,
    ...project,
    modelProvider: provider,
    modelConfig: { model, temperature, maxOutputTokens, assistantMessageLimit },
  };
}
