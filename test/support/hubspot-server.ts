// A stand-in for HubSpot's contacts, as https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/guide and
// .../error-handling describe them.
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface Contact {
  id: string;
  properties: Record<string, string>;
}

/** What the server does with the next call instead of answering it. */
export type Fault =
  | { status: number; headers?: Record<string, string>; category?: string; message?: string }
  | 'drop'
  /** Does it, and the answer is lost. */
  | 'lose the answer'
  /** 207: the batch is answered, its contact failed. */
  | 'multi-status';

const known = new Set(['email', 'firstname', 'lastname', 'phone', 'company', 'lead_status', 'lead_tags']);

export async function startHubSpot({ token }: { token: string }) {
  const contacts = new Map<string, Contact>();
  /** Addresses that were deleted without a contact: HubSpot never takes them again. */
  const blocked = new Set<string>();
  const calls: { method: string; path: string; body: unknown }[] = [];
  const faults: Fault[] = [];
  let always: Fault | undefined;
  let ids = 1_000;

  const send = (response: ServerResponse, status: number, body?: object, headers: object = {}) =>
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(body && JSON.stringify(body));
  const fail = (
    response: ServerResponse,
    status: number,
    { category = 'ERROR', message = 'It failed.', headers = {}, ...more }: Partial<Record<string, unknown>>,
  ) =>
    send(
      response,
      status,
      { status: 'error', message, correlationId: randomUUID(), category, ...more },
      headers as object,
    );

  function upsert(
    response: ServerResponse,
    body: { inputs: { id: string; idProperty: string; properties: Contact['properties'] }[] },
  ) {
    const startedAt = new Date().toISOString();
    const invalid = body.inputs.flatMap(({ id, idProperty, properties }) => [
      ...Object.entries(properties).flatMap(([name, value]) => {
        if (!known.has(name)) {
          const message = `Property "${name}" does not exist`;
          return [{ isValid: false, message, error: 'PROPERTY_DOESNT_EXIST', name }];
        }
        return name === 'phone' && !/^[\d\s()+./-]+$/.test(value)
          ? [{ isValid: false, message: `${value} is not a phone number`, error: 'INVALID_PHONE', name }]
          : [];
      }),
      ...(idProperty !== 'email' || blocked.has(id)
        ? [
            {
              isValid: false,
              message: `Email address ${id} is invalid`,
              error: 'INVALID_EMAIL',
              name: 'email',
            },
          ]
        : []),
    ]);
    if (invalid.length > 0) {
      const message = `Property values were not valid: ${JSON.stringify(invalid)}`;
      return fail(response, 400, { category: 'VALIDATION_ERROR', message });
    }
    const results = body.inputs.map(({ id: email, properties }) => {
      const old = contacts.get(email);
      const contact = { id: old?.id ?? String(++ids), properties: { ...old?.properties, ...properties } };
      contacts.set(email, contact);
      return { ...contact, new: !old, createdAt: startedAt, updatedAt: startedAt, archived: false };
    });
    return send(response, 200, { status: 'COMPLETE', results, startedAt, completedAt: startedAt });
  }

  function answer(request: IncomingMessage, response: ServerResponse, body: unknown) {
    const url = new URL(request.url!, 'http://hubspot');
    if (request.headers.authorization !== `Bearer ${token}`) {
      const message = `Authentication credentials not found: ${request.headers.authorization}`;
      return fail(response, 401, { category: 'INVALID_AUTHENTICATION', message });
    }
    if (request.method === 'POST' && url.pathname === '/crm/v3/objects/contacts/batch/upsert') {
      return upsert(response, body as never);
    }
    if (request.method === 'POST' && url.pathname === '/crm/v3/objects/contacts/gdpr-delete') {
      const { objectId, idProperty } = body as { objectId: string; idProperty?: string };
      const found = [...contacts].find(
        ([email, { id }]) => objectId === (idProperty === 'email' ? email : id),
      );
      if (found) contacts.delete(found[0]);
      else if (idProperty === 'email') blocked.add(objectId);
      return send(response, 204);
    }
    const one = /^\/crm\/v3\/objects\/contacts\/([^/]+)$/.exec(url.pathname)?.[1];
    if (request.method === 'GET' && one && url.searchParams.get('idProperty') === 'email') {
      const contact = contacts.get(decodeURIComponent(one));
      if (contact) return send(response, 200, { ...contact, archived: false });
      return fail(response, 404, { category: 'OBJECT_NOT_FOUND', message: `No contact ${one}` });
    }
    return send(response, 404, { message: 'no such path' });
  }

  const server = createServer(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    const body = text ? JSON.parse(text) : undefined;
    calls.push({ method: request.method!, path: request.url!, body });
    const fault = faults.shift() ?? always;
    if (fault === 'drop') return request.socket.destroy();
    if (fault === 'multi-status') {
      const message = `Contact already exists: ${JSON.stringify(body)}`;
      const errors = [{ status: 'error', category: 'CONFLICT', message, context: {} }];
      return send(response, 207, { status: 'COMPLETE', results: [], numErrors: 1, errors });
    }
    if (fault === 'lose the answer') {
      response.end = () => {
        request.socket.destroy();
        return response;
      };
    } else if (fault) return fail(response, fault.status, fault);
    return answer(request, response, body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    contacts,
    blocked,
    calls,
    /** Of the next calls, one each. */
    next: (...given: Fault[]) => faults.push(...given),
    /** Of every call, until it is undefined. */
    always: (fault: Fault | undefined) => {
      always = fault;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
