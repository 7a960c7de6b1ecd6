// Visitors: each has a conversation at a time, asks one or two questions at once, waits for the answer or reads it live.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Caller, noted, persist, type Reply, replyOf, send, TryAgain } from './client.ts';
import type { Outcome, Question } from './ledger.ts';

const subjects = [
  'How long is the warranty?',
  'What does shipping to Norway cost?',
  'When are you open on Saturdays?',
  'How do I return a lamp?',
  'Can I pay by invoice?',
  'How do I delete my account?',
  'What does a repair cost?',
  'Who painted the Mona Lisa?',
];

/** Asks until the signal is aborted, then finishes what it has asked. */
export async function runVisitor(caller: Caller, name: string, stop: AbortSignal): Promise<void> {
  const { random } = caller;
  for (let n = 0; !stop.aborted; n += 1) {
    let conversationId: string | undefined;
    const rounds = random.between(1, 3);
    for (let round = 0; round < rounds && !stop.aborted; round += 1) {
      const asked = Array.from({ length: random.chance(0.25) && conversationId ? 2 : 1 }, (_, position) =>
        ask(caller, `${random.pick(subjects)} (${name}-${n}-${round}-${position})`, conversationId),
      );
      for (const question of await Promise.all(asked)) conversationId ??= question.conversationId;
      await sleep(random.between(50, 800), undefined, { signal: stop }).catch(() => {});
    }
  }
}

async function ask(caller: Caller, text: string, conversationId: string | undefined): Promise<Question> {
  const { ledger, random } = caller;
  const question: Question = {
    text,
    repeated: random.chance(0.75),
    way: random.chance(0.4) ? 'stream' : 'wait',
    askedAt: Date.now(),
    endedAt: undefined,
    calls: 0,
    turnIds: new Set(),
    conversationId: undefined,
    outcomes: [],
    complaint: undefined,
  };
  ledger.questions.push(question);
  const attempt = async () => {
    question.calls += 1;
    const body = { message: text, ...(conversationId ? { conversationId } : {}) };
    const idempotencyKey = question.repeated ? text : undefined;
    const path = question.way === 'stream' ? '/v1/chat/turns' : '/chat';
    const response = await send(caller, { method: 'POST', path, body, idempotencyKey });
    if (question.way === 'stream' && response.status === 200) await readLines(caller, question, response);
    else readReply(question, await replyOf(ledger, response));
  };
  try {
    await (question.repeated ? persist(attempt) : attempt());
    // It waits for a recorded outcome, so it has one; the others may have been left alone.
    question.endedAt = Date.now();
    // What was told once is told the same way again.
    if (question.repeated && random.chance(0.15)) await persist(attempt);
  } catch (error) {
    if (question.repeated || !(error instanceof TryAgain)) question.complaint = (error as Error).message;
  }
  return question;
}

function readReply(question: Question, { status, json }: Reply): void {
  const turnId = json.turnId ?? json.details?.turnId;
  if (turnId) question.turnIds.add(turnId);
  if (status === 200) {
    question.conversationId = json.conversationId;
    question.outcomes.push({ status: json.closest ? 'declined' : 'answered', reply: json.reply });
  } else if (json.code === 'TURN_FAILED') {
    // Without a code nothing is recorded yet: the call only ended first.
    if (!json.details.code) throw new TryAgain('still running');
    question.outcomes.push({ status: 'failed', code: json.details.code, reason: json.details.reason });
  } else {
    throw new Error(`was refused: ${status} ${json.code}: ${json.message}`);
  }
}

async function readLines({ ledger }: Caller, question: Question, response: Response): Promise<void> {
  let rest = '';
  try {
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + part).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        const frame = JSON.parse(line);
        question.turnIds.add(frame.turnId);
        if (frame.type === 'start') question.conversationId = frame.conversationId;
        const outcome = outcomeOf(frame);
        if (outcome) {
          question.outcomes.push(outcome);
          return;
        }
      }
    }
  } catch (error) {
    throw noted(ledger, error);
  }
  throw noted(ledger, new Error('', { cause: { code: 'stream ended without an outcome' } }));
}

// biome-ignore lint/suspicious/noExplicitAny: a frame as it came
function outcomeOf(frame: any): Outcome | undefined {
  if (frame.type === 'done') return { status: frame.status, reply: frame.reply };
  if (frame.type === 'error') return { status: 'failed', code: frame.code, reason: frame.message };
  return undefined;
}
