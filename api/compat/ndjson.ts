import type { Frame } from '../../domain/chat.ts';

type Line =
  | { type: 'start'; conversationId: string }
  | { type: 'token'; token: string }
  | { type: 'done'; message: string; conversationId: string }
  | { type: 'error'; error: string };

/**
 * Renders a turn's frames as the lines of the Convex-style widget (contracts, section 4), which knows only these four.
 * After a reset comes a blank line and the new text; `done` carries only the recorded answer. What was never streamed
 * because its frames were lost is sent before `done`, so that the tokens always add up to something complete.
 */
export function ndjsonOf(conversationId: string): (frame: Frame) => Line[] {
  let shown = '';
  let begun = false;
  return (frame) => {
    switch (frame.type) {
      case 'start':
        return [{ type: 'start', conversationId }];
      case 'reset':
        if (shown === '') return [];
        shown = '';
        return [{ type: 'token', token: '\n\n' }];
      case 'token':
        shown += frame.text;
        begun = true;
        return [{ type: 'token', token: frame.text }];
      case 'sources':
        return [];
      case 'done': {
        const rest = frame.reply.startsWith(shown) ? frame.reply.slice(shown.length) : `\n\n${frame.reply}`;
        const lines: Line[] = rest === '' && begun ? [] : [{ type: 'token', token: rest }];
        return [...lines, { type: 'done', message: frame.reply, conversationId }];
      }
      case 'error':
        return [{ type: 'error', error: frame.message }];
    }
  };
}
