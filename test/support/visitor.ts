import { expect } from 'vitest';
import type { Answer, createApiClient } from './api-client.ts';

export type Visitor = Awaited<ReturnType<typeof startVisitor>>;

/** A visitor with a session of the lead flow. */
export async function startVisitor(api: ReturnType<typeof createApiClient>, extra: object = {}) {
  const first = await api.call('POST', '/assistant/chat', extra);
  expect(first.status, first.text).toBe(200);
  const { sessionId } = first.json as { sessionId: string };
  const chat = (message: string, more: object = {}): Promise<Answer> =>
    api.call('POST', '/assistant/chat', { sessionId, message, ...more });
  return {
    sessionId,
    first: first.json,
    chat,
    /** Says something that is answered with 200. */
    // biome-ignore lint/suspicious/noExplicitAny: a test looks into replies of any shape
    async say(message: string, more: object = {}): Promise<any> {
      const answer = await chat(message, more);
      expect(answer.status, answer.text).toBe(200);
      return answer.json;
    },
    verify: (otp: unknown) => api.call('POST', '/assistant/verify-otp', { sessionId, otp }),
    resend: () => api.call('POST', '/assistant/resend-otp', { sessionId }),
  };
}
