// Asks a question and reads the turn's live frames (NDJSON).

export class ChatError extends Error {
  constructor(message, code, status) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

const connectionLost = () =>
  new ChatError('The connection was lost before the answer was complete.', 'CONNECTION_LOST');

async function post(key, body) {
  try {
    return await fetch('/v1/chat/turns', {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/x-ndjson', 'x-api-key': key },
      body: JSON.stringify(body),
    });
  } catch {
    throw new ChatError('The server could not be reached.', 'UNREACHABLE');
  }
}

async function* framesOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw connectionLost();
    });
    const lines = (rest + (value ?? '')).split('\n');
    rest = done ? '' : (lines.pop() ?? '');
    for (const line of lines) if (line.trim()) yield JSON.parse(line);
    if (done) return;
  }
}

/**
 * Runs one turn to its end and returns its outcome, or throws a ChatError.
 * `onStart` gets the turn's ids as soon as they are known, `onText` the whole text so far.
 */
export async function runTurn({ key, message, conversationId, onStart, onText }) {
  const response = await post(key, { conversationId, message });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    const text = problem.message ?? `The server answered with status ${response.status}.`;
    throw new ChatError(text, problem.code, response.status);
  }
  let text = '';
  for await (const frame of framesOf(response)) {
    switch (frame.type) {
      case 'start':
        onStart({ turnId: frame.turnId, conversationId: frame.conversationId });
        break;
      case 'reset':
        text = '';
        onText(text);
        break;
      case 'token':
        text += frame.text;
        onText(text);
        break;
      case 'done': {
        const { turnId, status, reply, sources, closest } = frame;
        return {
          turnId,
          status,
          reply: reply || text || 'This answer was stopped.',
          sources: sources ?? [],
          closest: closest ?? [],
        };
      }
      case 'error':
        throw new ChatError(frame.message ?? 'The answer could not be completed.', frame.code);
    }
  }
  throw connectionLost();
}
