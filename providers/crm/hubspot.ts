// HubSpot's CRM API, version 3: https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/guide
import { z } from 'zod';
import { crm as timing } from '../../domain/deadlines.ts';
import { ProviderError } from '../../domain/errors.ts';
import { withLimits } from '../../outbound/limits.ts';
import { noWaitingMends, outboundErrorIn } from '../../outbound/outbound-error.ts';
import { brokenProtocol, connectionFailure, httpFailure, retryAfterOf } from '../failures.ts';
import type { Crm, CrmAccess } from './crm.ts';

const name = 'hubspot';
const ownAddress = 'https://api.hubapi.com';
const contacts = '/crm/v3/objects/contacts';
const maxBytes = 1024 * 1024;

/** Of their errors every part may be missing, as their documentation says. */
const oneError = z.looseObject({
  category: z.string().optional(),
  message: z.string().optional(),
  errors: z.array(z.looseObject({ code: z.string().optional(), message: z.string().optional() })).optional(),
});
type HubSpotError = z.infer<typeof oneError>;
const upserted = z.looseObject({
  results: z.array(z.looseObject({ id: z.string() })).default([]),
  /** With 207: some of a batch failed. */
  errors: z.array(oneError).default([]),
});
const found = z.looseObject({ id: z.string() });

export function createHubSpot({ token, baseUrl, fetch: given }: CrmAccess): Crm {
  const base = (baseUrl ?? ownAddress).replace(/\/+$/, '');
  const limited = withLimits(given, { totalMs: timing.answer, maxBytes });

  /** The body of a good answer; undefined where it says that there is nothing and that may be. */
  async function call(
    path: string,
    request: { body?: object; signal: AbortSignal; absent?: boolean },
  ): Promise<unknown> {
    const { body, signal, absent } = request;
    let response: Response;
    let text: string;
    try {
      response = await limited(base + path, {
        method: body ? 'POST' : 'GET',
        headers: {
          authorization: `Bearer ${token}`,
          accept: 'application/json',
          ...(body ? { 'content-type': 'application/json' } : {}),
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
        signal,
        // A token goes where the project said, and nowhere else.
        redirect: 'error',
      });
      text = await response.text();
    } catch (error) {
      if (signal.aborted) throw error;
      throw unreachable(error);
    }
    const { status, headers, ok } = response;
    const json = parsed(text);
    if (ok) return json;
    // Their 404 names a category; that of a proxy or of a wrong address does not.
    const failure = oneError.safeParse(json).data;
    if (status === 404 && absent && failure?.category === 'OBJECT_NOT_FOUND') return undefined;
    const wait = retryAfterOf(headers);
    throw refusal(status, failure, wait && Math.min(wait, timing.retry.maximumInterval));
  }

  return {
    async upsert({ email, properties }, signal) {
      const inputs = [{ id: email, idProperty: 'email', properties: { ...properties, email } }];
      const answer = upserted.safeParse(await call(`${contacts}/batch/upsert`, { body: { inputs }, signal }));
      if (!answer.success) throw brokenProtocol(name, 'its answer cannot be read.');
      const [contact] = answer.data.results;
      const [error] = answer.data.errors;
      if (error) throw refusal(error.category === 'CONFLICT' ? 409 : 400, error, undefined);
      if (!contact) throw brokenProtocol(name, 'its answer names no contact.');
      return { contactId: contact.id };
    },

    // By id: deleted by an address that HubSpot does not have, the address is blocked there for ever.
    async erase(email, signal) {
      const path = `${contacts}/${encodeURIComponent(email)}?idProperty=email`;
      const answer = await call(path, { signal, absent: true });
      if (answer === undefined) return false;
      const contact = found.safeParse(answer);
      if (!contact.success) throw brokenProtocol(name, 'its answer names no contact.');
      await call(`${contacts}/gdpr-delete`, { body: { objectId: contact.data.id }, signal });
      return true;
    },
  };
}

function parsed(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch (error) {
    throw connectionFailure(name, error);
  }
}

/** A name or a certificate may be mended in hours; an address that is not allowed is not. */
function unreachable(error: unknown): ProviderError {
  const outbound = outboundErrorIn(error);
  if (!outbound || noWaitingMends.includes(outbound.code)) return connectionFailure(name, error);
  return new ProviderError(name, outbound.message, { retryable: true, kind: 'unavailable', cause: error });
}

function refusal(
  status: number,
  error: HubSpotError | undefined,
  retryAfterMs: number | undefined,
): ProviderError {
  const make = (kind: ProviderError['kind'], retryable: boolean, message: string) =>
    new ProviderError(name, message, { kind, retryable });
  if (status === 401) {
    return make('credentials', false, 'refuses the token (401). Set another, and send the leads again.');
  }
  if (status === 403) {
    const scopes = 'crm.objects.contacts.read and crm.objects.contacts.write';
    return make('credentials', false, `the token lacks a scope (403). It needs ${scopes}.`);
  }
  // Two writers met at one contact.
  if (status === 409) return make('unavailable', true, 'is changing this contact at the moment (409).');
  if (status === 400) return make('request', false, `refuses the contact (400)${reasonsIn(error)}.`);
  // 423 locked, 477 moving the account elsewhere: for a while.
  if (status === 423 || status === 477) return make('unavailable', true, `answered ${status}.`);
  return httpFailure(name, { status, code: error?.category, retryAfterMs, cause: undefined });
}

/**
 * Which properties it does not take and why, in its codes: "phone: INVALID_LONG". Its sentences stay out, because they
 * repeat the visitor's values, and what is thrown here ends in a history.
 */
function reasonsIn(error: HubSpotError | undefined): string {
  const texts = [error?.message, ...(error?.errors ?? []).map(({ message }) => message)].join(' ');
  const listed = [...texts.matchAll(/\{"isValid":false.*?\}/g)].flatMap(([text]) => {
    const property = /"name":"([a-z0-9_]{1,100})"/.exec(text)?.[1];
    const code = /"error":"([A-Z_]{1,60})"/.exec(text)?.[1];
    return property ? [`${property}: ${code ?? 'not valid'}`] : [];
  });
  const codes = (error?.errors ?? []).flatMap(({ code }) =>
    /^[A-Z_]{1,60}$/.test(code ?? '') ? [code!] : [],
  );
  const reasons = [...new Set(listed.length > 0 ? listed : codes)];
  const category = /^[A-Z_]{1,60}$/.test(error?.category ?? '') ? ` ${error!.category}` : '';
  return reasons.length > 0 ? `: ${reasons.slice(0, 10).join(', ')}` : category;
}
