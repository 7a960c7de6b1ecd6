/** The text of a page, by the charset that the server states, else the one that the page states, else UTF-8. */
export function decodeHtml(bytes: Uint8Array, charset: string | undefined): string {
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 2_048));
  const stated = charset ?? /<meta[^>]+charset\s*=\s*["']?([\w:-]+)/i.exec(start)?.[1];
  return decoderOf(stated).decode(bytes);
}

function decoderOf(charset: string | undefined) {
  try {
    return new TextDecoder(charset ?? 'utf-8');
  } catch {
    return new TextDecoder('utf-8');
  }
}
