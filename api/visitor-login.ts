// Signs a visitor in at the site's own login.
import { signVisitor } from '../auth/visitor-tokens.ts';
import { visitorLoginCall } from '../domain/deadlines.ts';
import { loginRefusals } from '../domain/login-refusals.ts';
import { textAt, type Visitor } from '../domain/visitor-logins.ts';
import { withLimits } from '../outbound/limits.ts';
import { outboundErrorIn } from '../outbound/outbound-error.ts';
import type { AppDependencies } from './app.ts';

export type LoginResult = { visitor: Visitor; token: string } | { refused: string; reason?: string };

/** `refused` is for the visitor, `reason` for the log: it holds no address and no password. */
export async function signInVisitor(
  { stores, safeFetch }: Pick<AppDependencies, 'stores' | 'safeFetch'>,
  projectId: string,
  { email, password }: { email: string; password: string },
): Promise<LoginResult> {
  const { settings, extraHeaders } = await stores.visitorLogins.get(projectId);
  if (settings.auth_mode !== 'external_api' || settings.login_url === '') {
    return { refused: loginRefusals.none };
  }
  const call = withLimits(safeFetch, { totalMs: visitorLoginCall, maxBytes: 1024 * 1024 });
  const { away, wrong } = loginRefusals;
  let answer: unknown;
  try {
    const response = await call(settings.login_url, {
      method: settings.login_method,
      headers: { ...extraHeaders, 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ [settings.email_field]: email, [settings.password_field]: password }),
      // A password goes where the site's owner said, and nowhere else.
      redirect: 'error',
    });
    if (response.status >= 500) return { refused: away, reason: `it answered ${response.status}` };
    if (!response.ok) return { refused: wrong };
    answer = await response.json();
  } catch (error) {
    const reason = outboundErrorIn(error)?.message ?? 'its answer is not JSON';
    return { refused: away, reason };
  }
  const userId = textAt(answer, settings.response_user_id_path);
  if (userId === undefined) {
    return { refused: away, reason: `its answer has nothing at "${settings.response_user_id_path}"` };
  }
  const visitor = {
    userId,
    name: textAt(answer, settings.response_name_path) ?? null,
    email: textAt(answer, settings.response_email_path) ?? email,
  };
  return { visitor, token: await signVisitor(visitor, await stores.visitorLogins.secret(projectId)) };
}
