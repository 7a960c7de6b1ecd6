// Visitors: each has a conversation at a time, asks one or two questions at once, waits for the answer or reads it live.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Caller, persist, type Reply, replyOf, send, TryAgain } from './client.ts';
import type { Outcome, Question } from './ledger.ts';
import { inLetterCase } from '../support/letter-case.ts';
import { createReader, liveWays, readLive } from './live.ts';

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
export async function runVisitor(caller: Caller, stop: AbortSignal): Promise<void> {
  const { random } = caller;
  while (!stop.aborted) {
    let conversationId: string | undefined;
    const rounds = random.between(1, 3);
    for (let round = 0; round < rounds && !stop.aborted; round += 1) {
      const asked = Array.from({ length: random.chance(0.25) && conversationId ? 2 : 1 }, () =>
        ask(caller, inLetterCase(random.pick(subjects), caller.ledger.questions.length), conversationId),
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
    way: random.chance(0.6) ? random.pick(liveWays) : 'wait',
    askedAt: Date.now(),
    endedAt: undefined,
    calls: 0,
    turnIds: new Set(),
    conversationId: undefined,
    outcomes: [],
    complaint: undefined,
  };
  ledger.questions.push(question);
  const body = { message: text, ...(conversationId ? { conversationId } : {}) };
  const idempotencyKey = question.repeated ? text : undefined;
  let reader = createReader();
  const attempt = async () => {
    question.calls += 1;
    const { way } = question;
    if (way === 'wait') {
      const response = await send(caller, { method: 'POST', path: '/chat', body, idempotencyKey });
      readReply(question, await replyOf(ledger, response));
      return;
    }
    try {
      // One that asks only once would lose what it left.
      const leaves = question.repeated ? 0.1 : 0;
      question.outcomes.push(
        outcomeOf(await readLive(caller, way, { body, idempotencyKey, leaves }, reader)),
      );
    } finally {
      if (reader.turnId !== undefined) question.turnIds.add(reader.turnId);
      question.conversationId ??= reader.conversationId;
    }
  };
  try {
    await (question.repeated ? persist(attempt) : attempt());
    // It waits for a recorded outcome, so it has one; the others may have been left alone.
    question.endedAt = Date.now();
    // What was told once is told the same way again.
    reader = createReader();
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

// biome-ignore lint/suspicious/noExplicitAny: a frame as it came
function outcomeOf(last: any): Outcome {
  if (last.type === 'done') return { status: last.status, reply: last.reply };
  return { status: 'failed', code: last.code, reason: last.message };
}
