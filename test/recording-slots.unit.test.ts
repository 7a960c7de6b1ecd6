import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createRecordingSlots } from '../activities/chat/recording-slots.ts';
import { turn as timing } from '../domain/deadlines.ts';

let slots: ReturnType<typeof createRecordingSlots>;
let admitted: string[];

beforeEach(async () => {
  vi.useFakeTimers();
  slots = createRecordingSlots();
  admitted = [];
  for (const turn of ['one', 'two', 'three', 'four', 'five'])
    void slots.acquire(turn).then(() => admitted.push(turn));
  await vi.advanceTimersByTimeAsync(0);
});
afterEach(() => {
  vi.useRealTimers();
});

test('three turns are recorded at a time, and the next in its order', async () => {
  expect(admitted).toEqual(['one', 'two', 'three']);
  slots.release('two');
  await vi.advanceTimersByTimeAsync(0);
  expect(admitted).toEqual(['one', 'two', 'three', 'four']);
  slots.release('two');
  slots.release('never had one');
  await vi.advanceTimersByTimeAsync(0);
  expect(admitted).toHaveLength(4);
});

test('a slot that nobody gives back goes to the next all the same', async () => {
  await vi.advanceTimersByTimeAsync(timing.recordingSlot - 1);
  expect(admitted).toHaveLength(3);
  await vi.advanceTimersByTimeAsync(1);
  expect(admitted).toEqual(['one', 'two', 'three', 'four', 'five']);
});

test('a turn that comes twice, as after a lost heartbeat, costs no slot for ever', async () => {
  slots.release('one');
  await vi.advanceTimersByTimeAsync(0);
  void slots.acquire('two').then(() => admitted.push('two again'));
  slots.release('three');
  slots.release('four');
  await vi.advanceTimersByTimeAsync(0);
  expect(admitted.slice(3)).toEqual(['four', 'five', 'two again']);
  await vi.advanceTimersByTimeAsync(timing.recordingSlot);
  for (const turn of ['six', 'seven', 'eight', 'nine'])
    void slots.acquire(turn).then(() => admitted.push(turn));
  await vi.advanceTimersByTimeAsync(0);
  expect(admitted.slice(6)).toEqual(['six', 'seven', 'eight']);
});

test('after a while a turn is recorded without a slot', async () => {
  const held = Array.from({ length: 40 }, (_, n) => `later ${n}`);
  for (const turn of held) void slots.acquire(turn).then(() => admitted.push(turn));
  await vi.advanceTimersByTimeAsync(timing.recordingWait);
  expect(admitted).toHaveLength(5 + held.length);
  // Those who went without one hold none up.
  await vi.advanceTimersByTimeAsync(timing.recordingSlot);
  void slots.acquire('last').then(() => admitted.push('last'));
  await vi.advanceTimersByTimeAsync(0);
  expect(admitted.at(-1)).toBe('last');
});
