import { expect, test } from 'vitest';
import { maxPayloadBytes, payloadLimit } from '../temporal/payload-limit.ts';

test('a payload at the limit passes, one byte more is refused in words', async () => {
  const fits = { data: new Uint8Array(maxPayloadBytes) };
  expect(await payloadLimit.encode([fits])).toEqual([fits]);
  await expect(payloadLimit.encode([{ data: new Uint8Array(maxPayloadBytes + 1) }])).rejects.toThrow(
    /pass an id instead/,
  );
});
