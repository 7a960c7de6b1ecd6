import type { Payload, PayloadCodec } from '@temporalio/common';

export const maxPayloadBytes = 64 * 1024;

/**
 * Refuses to send a payload over the limit. Histories carry ids and short results; contents and prompts stay in
 * PostgreSQL. Throws RangeError: in an activity that fails the activity, in a workflow the workflow task.
 */
export const payloadLimit: PayloadCodec = {
  async encode(payloads: Payload[]): Promise<Payload[]> {
    for (const payload of payloads) {
      const size = payload.data?.byteLength ?? 0;
      if (size > maxPayloadBytes) {
        throw new RangeError(
          `A payload of ${size} bytes is over the limit of ${maxPayloadBytes}: pass an id instead.`,
        );
      }
    }
    return payloads;
  },
  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads;
  },
};
