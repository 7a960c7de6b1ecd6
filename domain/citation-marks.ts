// The numbers of sources in an answer, `[1]`, for clients that have no sources to show beside it.

/** A mark with the space before it. "[1](https://…)" is a link; more than two digits are no mark. */
const mark = /(?<![ \t])[ \t]*\[\d{1,2}\](?!\()/g;
/** The end of a text that may belong to a mark. */
const markBegun = /(?<![ \t])(?:[ \t]+|[ \t]*\[\d{0,2}|[ \t]*\[\d{1,2}\])$/;

export const withoutMarks = (text: string): string => text.replace(mark, '');

/**
 * The same for a text that comes in parts, which may end in the middle of a mark: what each part adds. What cannot be
 * judged yet is held back; the parts so far are always the beginning of what the whole text gives.
 */
export function createMarkFilter(): (part: string) => string {
  let held = '';
  return (part) => {
    const text = held + part;
    const at = markBegun.exec(text)?.index ?? text.length;
    held = text.slice(at);
    return withoutMarks(text.slice(0, at));
  };
}
