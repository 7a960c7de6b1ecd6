// First uses are slow: the parser compiles its rules, the browser loads typefaces. They come before an answer does.
import { h } from '../loader/dom.ts';
import { createMarkdown } from './markdown.ts';

/** Longer than a picture, so that each piece has one of its own. */
const pauseMs = 40;

/** Lays out, unseen, one piece after the other of what an answer may be made of. `word` is one of the visitor's language. */
export function warmUp(parent: HTMLElement, word: string): void {
  // Rules are compiled once for Latin letters and once for all others.
  const pieces = [word, `${word} …`].flatMap((text) => [
    `**${text}** *${text}* [${text}](https://example.com) [1]`,
    `## ${text}`,
    `\`${text}\``,
    `- ${text}`,
    `|${text}|1|\n|-|-:|\n|${text}|1|`,
    `\`\`\`\n${text}\n\`\`\``,
    `> ${text}`,
  ]);
  const stage = h('div', { class: 'text hidden', 'aria-hidden': 'true' });
  stage.style.visibility = 'hidden';
  parent.append(stage);
  const show = createMarkdown(stage, {
    copyLabel: word,
    copy() {},
    citation: (number) => h('span', { class: 'cite' }, String(number)),
  });
  const next = (count: number): void => {
    show(pieces.slice(0, count).join('\n\n'));
    if (count > pieces.length) stage.remove();
    else setTimeout(next, pauseMs, count + 1);
  };
  next(1);
}
