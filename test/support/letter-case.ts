/**
 * The n-th way to write a text: small and capital letters count up in binary. For questions that must never be the same
 * text twice and mean the same: search and model do not see the difference.
 */
export function inLetterCase(text: string, n: number): string {
  let bits = n;
  return text.replaceAll(/[a-z]/g, (letter) => {
    const capital = bits & 1;
    bits >>= 1;
    return capital ? letter.toUpperCase() : letter;
  });
}
