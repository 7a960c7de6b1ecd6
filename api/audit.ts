// How the audit log is asked for and shown, for workspaces and for projects.
import { z } from 'zod';

export const auditQuery = z.object({
  action: z.string().max(100).optional(),
  actorId: z.uuid().optional(),
  objectId: z.uuid().optional(),
  since: z.coerce.date().optional(),
  before: z.uuid().describe('The id of the last entry of the page before').optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export const auditView = z.object({
  id: z.uuid(),
  workspaceId: z.uuid().nullable(),
  projectId: z.uuid().nullable(),
  actorType: z.enum(['user', 'api_key', 'operator', 'system']),
  actorId: z.uuid().nullable(),
  action: z.string(),
  objectType: z.string(),
  objectId: z.uuid().nullable(),
  ip: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
  createdAt: z.date(),
});
