import type { Frame } from '../../domain/chat.ts';

/**
 * What each of a turn's frames adds to the text that a client shows, for clients that can only append. After a reset
 * comes a blank line and the new text. The last frame adds what was never streamed because its frames were lost, so
 * that the parts always add up to something complete.
 */
export function createShownText(): (frame: Frame) => string {
  let shown = '';
  return (frame) => {
    switch (frame.type) {
      case 'reset':
        if (shown === '') return '';
        shown = '';
        return '\n\n';
      case 'token':
        shown += frame.text;
        return frame.text;
      case 'done':
        return frame.reply.startsWith(shown) ? frame.reply.slice(shown.length) : `\n\n${frame.reply}`;
      default:
        return '';
    }
  };
}
