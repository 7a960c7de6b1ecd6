// What visitors are told of an error. The server's own words are English and for whoever runs the site, who hears them
// with the event `error`.
import type { Texts } from '../texts/en.ts';

const textOf: Record<string, keyof Texts> = {
  API_KEY_REQUIRED: 'problemSite',
  INVALID_API_KEY: 'problemSite',
  INSUFFICIENT_SCOPE: 'problemSite',
  DOMAIN_NOT_AUTHORIZED: 'problemSite',
  ORIGIN_NOT_ALLOWED: 'problemSite',
  HTTPS_REQUIRED: 'problemSite',
  VISITOR_LOGIN_REQUIRED: 'problemLogin',
  TOKEN_LIMIT_EXCEEDED: 'problemBudget',
  ASSISTANT_MESSAGE_LIMIT_REACHED: 'problemLimit',
  ASSISTANT_EMAIL_NOT_VERIFIED: 'problemAddress',
  ASSISTANT_SESSION_NOT_FOUND: 'leadExpired',
  ASSISTANT_OTP_NOT_PENDING: 'leadExpired',
  ASSISTANT_INVALID_OTP: 'leadCodeWrong',
  ASSISTANT_OTP_EXPIRED: 'leadCodeExpired',
  ASSISTANT_OTP_NOT_FOUND: 'leadCodeExpired',
  RATE_LIMIT_EXCEEDED: 'leadBlocked',
};

/** By the error's code; in the server's words where there are none of ours, and where those are missing too, `otherwise`. */
export function problemText(
  texts: Texts,
  { code = '', message }: { code?: string | undefined; message?: string | undefined },
  otherwise = texts.failed,
): string {
  const name = textOf[code];
  return name ? texts[name] : message || otherwise;
}
