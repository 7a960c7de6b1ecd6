/** Enough to tell, little enough to cost nothing. */
const sample = 20_000;

/** The language of a text as ISO 639-1, or null where it is too short to tell. The detector loads on first use. */
export async function languageOf(text: string): Promise<string | null> {
  const { eld } = await import('eld/extrasmall');
  // From the middle: beginnings are titles, addresses and tables of contents.
  const start = Math.max(0, (text.length - sample) >> 1);
  const found = eld.detect(text.slice(start, start + sample));
  return found.isReliable() ? found.language : null;
}
