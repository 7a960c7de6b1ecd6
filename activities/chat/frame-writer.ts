import type { Frame } from '../../domain/chat.ts';
import { turn } from '../../domain/deadlines.ts';
import type { FrameStore } from '../../stores/postgres/frames.ts';

type Position = { projectId: string; turnId: string; attempt: number };
type Body = Frame extends infer F ? (F extends Frame ? Omit<F, 'turnId' | 'attempt' | 'seq'> : never) : never;

/**
 * Writes an attempt's frames: the first at once, because a visitor waits for it, the rest in batches. Live frames are
 * disposable, so a failing write is reported and never fails the answer.
 */
export function createFrameWriter(
  frames: Pick<FrameStore, 'append'>,
  { projectId, turnId, attempt }: Position,
  onError: (error: unknown) => void,
) {
  let seq = 0;
  let waiting: Frame[] = [];
  let text = '';
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let begun = false;

  const add = (body: Body) => {
    waiting.push({ turnId, attempt, seq: seq++, ...body } as Frame);
  };
  const takeText = () => {
    if (text) add({ type: 'token', text });
    text = '';
  };
  const write = () => {
    clearTimeout(timer);
    timer = undefined;
    takeText();
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    // One write after the other keeps the order of the frames.
    writing = writing.then(() => frames.append(projectId, turnId, batch)).catch(onError);
  };

  return {
    push(body: Body): void {
      takeText();
      add(body);
    },
    token(part: string): void {
      text += part;
      if (!begun) {
        begun = true;
        write();
      } else {
        timer ??= setTimeout(write, turn.frameBatch);
      }
    },
    /** Writes what is left and waits for all writes. */
    async close(): Promise<void> {
      write();
      await writing;
    },
  };
}
