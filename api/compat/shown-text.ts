import type { Frame } from '../../domain/chat.ts';
import { createMarkFilter, withoutMarks } from '../../domain/citation-marks.ts';

/**
 * What each of a turn's frames adds to the text that a client shows, for clients that can only append. They have no
 * sources to show, so the text has no marks of them. After a reset comes a blank line and the new text. The last frame
 * adds what was never streamed because its frames were lost, so that the parts always add up to something complete.
 */
export function createShownText(): (frame: Frame) => string {
  let shown = '';
  let filter = createMarkFilter();
  const show = (text: string) => {
    shown += text;
    return text;
  };
  return (frame) => {
    switch (frame.type) {
      case 'reset':
        filter = createMarkFilter();
        if (shown === '') return '';
        shown = '';
        return '\n\n';
      case 'token':
        return show(filter(frame.text));
      case 'done': {
        const reply = withoutMarks(frame.reply);
        return reply.startsWith(shown) ? reply.slice(shown.length) : `\n\n${reply}`;
      }
      default:
        return '';
    }
  };
}
