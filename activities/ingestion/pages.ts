/** The page, from 1, that an offset of the text is on. `starts` are the offsets where pages begin; null: no pages. */
export function pageAt(starts: readonly number[] | null, offset: number): number | null {
  if (!starts || starts.length === 0) return null;
  let low = 0;
  let high = starts.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (starts[middle]! <= offset) low = middle;
    else high = middle;
  }
  return low + 1;
}
