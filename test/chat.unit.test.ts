import { describe, expect, test } from 'vitest';
import { ndjsonOf } from '../api/compat/ndjson.ts';
import { type Frame, terminalFrame, type Turn } from '../domain/chat.ts';

const turnId = 'turn-1';
const at = { turnId, attempt: 1, seq: 0 };
const turn: Turn = {
  id: turnId,
  conversationId: 'conversation-1',
  status: 'answered',
  question: 'When are you open?',
  reply: 'From ten to six.',
  sources: [],
  closest: [],
  offer: null,
  confidence: 0.9,
  promptTokens: 1,
  completionTokens: 2,
  errorCode: null,
  errorMessage: null,
  attempt: 2,
  feedback: null,
  createdAt: new Date(0),
  finishedAt: new Date(1),
};

describe('terminalFrame', () => {
  test('is made of the recorded outcome and comes after every live frame', () => {
    expect(terminalFrame(turn)).toMatchObject({
      type: 'done',
      status: 'answered',
      reply: 'From ten to six.',
      attempt: 2,
    });
    expect(terminalFrame(turn).seq).toBeGreaterThan(100_000);
  });

  test('a failed turn ends with its reason', () => {
    const failed = {
      ...turn,
      status: 'failed',
      reply: null,
      errorCode: 'TURN_DEADLINE',
      errorMessage: 'No answer.',
    } as const;
    expect(terminalFrame(failed)).toMatchObject({
      type: 'error',
      code: 'TURN_DEADLINE',
      message: 'No answer.',
    });
  });

  test('a running turn has none', () => {
    expect(() => terminalFrame({ ...turn, status: 'running' })).toThrow('is running');
  });
});

describe('the NDJSON rendering', () => {
  const render = (frames: Frame[]) => {
    const linesOf = ndjsonOf('conversation-1');
    return frames.flatMap((frame) => linesOf(frame));
  };
  const start: Frame = { ...at, attempt: 0, type: 'start', conversationId: 'conversation-1' };
  const token = (text: string): Frame => ({ ...at, type: 'token', text });

  test('streams tokens that add up to the message', () => {
    const lines = render([start, token('From ten '), token('to six.'), terminalFrame(turn)]);
    expect(lines.map((line) => line.type)).toEqual(['start', 'token', 'token', 'done']);
    expect(lines.at(-1)).toEqual({
      type: 'done',
      message: 'From ten to six.',
      conversationId: 'conversation-1',
    });
  });

  test('after a reset comes a blank line and the new text', () => {
    const lines = render([
      start,
      token('From n'),
      { ...at, type: 'reset' },
      token('From ten to six.'),
      terminalFrame(turn),
    ]);
    expect(lines.map((line) => ('token' in line ? line.token : ''))).toEqual([
      '',
      'From n',
      '\n\n',
      'From ten to six.',
      '',
    ]);
  });

  test('text whose frames were lost is sent before the end', () => {
    const lines = render([start, token('From '), terminalFrame(turn)]);
    expect(lines.map((line) => ('token' in line ? line.token : '')).join('')).toBe('From ten to six.');
  });

  test('skips the frames that its clients do not know', () => {
    expect(
      render([
        { ...at, type: 'sources', sources: [] },
        { ...at, type: 'reset' },
      ]),
    ).toEqual([]);
  });

  test('a failed turn is an error line', () => {
    const failed = terminalFrame({ ...turn, status: 'failed', errorMessage: 'Search is down.' });
    expect(render([start, failed]).at(-1)).toEqual({ type: 'error', error: 'Search is down.' });
  });
});
