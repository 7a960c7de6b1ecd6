import { setTimeout } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Answer, createApiClient } from './api-client.ts';

export type Visitor = Awaited<ReturnType<typeof startVisitor>>;

/** A visitor with a session of the lead flow. */
export async function startVisitor(api: ReturnType<typeof createApiClient>, extra: object = {}) {
  const first = await api.call('POST', '/assistant/chat', extra);
  expect(first.status, first.text).toBe(200);
  const { sessionId } = first.json as { sessionId: string };
  /** Repeats what nobody could work on, as the reply asks for: on a busy machine that happens. */
  const call = async (path: string, body: object): Promise<Answer> => {
    for (let tries = 1; ; tries += 1) {
      const answer = await api.call('POST', path, { sessionId, ...body });
      if (answer.json?.code !== 'SERVICE_UNAVAILABLE' || tries === 5) return answer;
      await setTimeout(1_000);
    }
  };
  const chat = (message: string, more: object = {}) => call('/assistant/chat', { message, ...more });
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
    verify: (otp: unknown) => call('/assistant/verify-otp', { otp }),
    resend: () => call('/assistant/resend-otp', {}),
  };
}
