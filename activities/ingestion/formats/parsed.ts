// What reading a content gives, whatever its format.

export interface ParsedContent {
  /** Markdown, or plain text. */
  text: string;
  /** What the content is, as found out from itself. */
  mimeType: string;
  /** Where each page begins in the text, in UTF-16 units; null for a format without pages. */
  pageStarts: number[] | null;
}

/** What the sender said about it: used where the content itself does not tell, as between CSV and plain text. */
export interface ContentHints {
  mimeType: string;
  filename: string | null;
}

export type ParseErrorCode =
  | 'DOCUMENT_EMPTY'
  | 'DOCUMENT_ENCRYPTED'
  | 'DOCUMENT_CORRUPT'
  | 'DOCUMENT_WITHOUT_TEXT'
  | 'DOCUMENT_UNSUPPORTED'
  | 'DOCUMENT_TOO_COMPLEX';

/** Why a content cannot be read, and what its owner can do about it. Trying again would not help. */
export class ParseError extends Error {
  readonly code: ParseErrorCode;

  constructor(code: ParseErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ParseError';
    this.code = code;
  }
}

export const tooLarge = (what: string) =>
  new ParseError('DOCUMENT_TOO_COMPLEX', `This file ${what}. Split it into smaller documents.`);

export const unpacksToTooMuch = () => tooLarge('unpacks to more than 200 MB');
