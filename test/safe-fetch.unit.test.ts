import type { LookupAddress } from 'node:dns';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseRange } from '../outbound/addresses.ts';
import { withLimits } from '../outbound/limits.ts';
import { OutboundError, outboundErrorIn } from '../outbound/outbound-error.ts';
import { createSafeFetch } from '../outbound/safe-fetch.ts';

// Real servers on loopback addresses: one range of them stands for "public", the rest must not be reached.

const servers: Server[] = [];
const seen: {
  address: string;
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}[] = [];
let port: number;
let allowed: typeof fetch;

const routes: Record<string, RequestListener> = {
  '/plain': (_, response) => response.end('hello'),
  '/loop': (_, response) => response.writeHead(302, { location: '/loop' }).end(),
  '/to': (request, response) => {
    const to = new URL(request.url!, 'http://x').searchParams;
    response.writeHead(Number(to.get('status') ?? 302), { location: to.get('location')! }).end();
  },
  '/slow': async (_, response) => {
    response.write('a');
    await setTimeout(5_000, undefined, { ref: false });
    response.end();
  },
  '/bomb': (_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(5_000_000)));
  },
  '/large': (_, response) => response.end(Buffer.alloc(20_000)),
  '/odd': (_, response) => response.writeHead(999).end(),
  '/v1/chat/completions': async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const content of ['Hel', 'lo']) {
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`);
      await setTimeout(20);
    }
    response.end('data: [DONE]\n\n');
  },
};

beforeAll(async () => {
  port = await listen('127.0.0.1', 0);
  await listen('127.0.0.2', port);
  await listen('127.0.1.1', port);
  allowed = createSafeFetch({ allowedRanges: [parseRange('127.0.0.0/24')], resolve });
});
afterAll(() => {
  for (const server of servers) server.closeAllConnections();
  return Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
});

async function listen(address: string, at: number): Promise<number> {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const path = request.url!.split('?', 1)[0]!;
    seen.push({ address, method: request.method!, path, headers: request.headers, body });
    (routes[path] ?? routes['/plain']!)(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(at, address, resolve));
  return (server.address() as AddressInfo).port;
}

const names: Record<string, string[]> = {
  'one.test': ['127.0.0.1'],
  'two.test': ['127.0.0.2'],
  'inside.test': ['127.0.1.1'],
  'mixed.test': ['127.0.1.1', '127.0.0.2'],
  'six.test': ['::1', 'fd12::1', '::ffff:127.0.1.1', '64:ff9b::7f00:101'],
};

async function resolve(hostname: string): Promise<LookupAddress[]> {
  const addresses = names[hostname];
  if (!addresses) throw Object.assign(new Error('not found'), { code: 'ENOTFOUND' });
  return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
}

const failure = async (call: Promise<unknown>): Promise<OutboundError> => {
  const error = await call.then(
    () => expect.fail('the call was made'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(OutboundError);
  return error as OutboundError;
};

describe('addresses', () => {
  const strict = createSafeFetch();

  test.each([
    ['loopback', '127.0.0.1'],
    ['loopback, short', '127.1'],
    ['loopback, decimal', '2130706433'],
    ['loopback, octal', '0177.0.0.1'],
    ['loopback, hexadecimal', '0x7f.0.0.1'],
    ['loopback, full-width digits', '１２７.0.0.1'],
    ['unspecified', '0.0.0.0'],
    ['private', '10.1.2.3'],
    ['private', '172.31.0.1'],
    ['private', '192.168.1.1'],
    ['link-local, metadata', '169.254.169.254'],
    ['metadata of Azure', '168.63.129.16'],
    ['metadata of Alibaba, CGNAT', '100.100.100.200'],
    ['CGNAT', '100.64.0.1'],
    ['multicast', '224.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['reserved', '240.0.0.1'],
    ['documentation', '192.0.2.1'],
    ['benchmarking', '198.18.0.1'],
    ['IPv6 loopback', '[::1]'],
    ['IPv6 unspecified', '[::]'],
    ['mapped', '[::ffff:127.0.0.1]'],
    ['mapped, hexadecimal', '[::ffff:a01:203]'],
    ['compatible', '[::127.0.0.1]'],
    ['translated', '[::ffff:0:127.0.0.1]'],
    ['NAT64', '[64:ff9b::127.0.0.1]'],
    ['NAT64 of a network', '[64:ff9b:1::127.0.0.1]'],
    ['6to4', '[2002:7f00:1::]'],
    ['Teredo', '[2001:0:7f00:1::]'],
    ['unique local', '[fd00:ec2::254]'],
    ['link-local', '[fe80::1]'],
    ['site-local', '[fec0::1]'],
    ['multicast', '[ff02::1]'],
    ['documentation', '[2001:db8::1]'],
  ])('%s is refused: %s', async (_, host) => {
    const error = await failure(strict(`http://${host}:${port}/plain`));
    expect(error).toMatchObject({ code: 'ADDRESS_NOT_ALLOWED', retryable: false });
    expect(error.message).toContain('OUTBOUND_ALLOWED_RANGES');
  });

  test('nothing refused has reached a server', () => expect(seen).toEqual([]));

  test.each([
    ['file:///etc/passwd', 'SCHEME_NOT_ALLOWED'],
    ['gopher://one.test/', 'SCHEME_NOT_ALLOWED'],
    ['http://user:secret@one.test/', 'URL_HAS_CREDENTIALS'],
    ['not a url', 'URL_INVALID'],
    ['http://nowhere.test/', 'NAME_NOT_FOUND'],
    ['http://one.test:25/', 'PORT_NOT_ALLOWED'],
    ['http://one.test:8/', 'UNREACHABLE'],
  ])('%s ends with %s', async (url, code) => {
    const error = await failure(allowed(url));
    expect(error.code).toBe(code);
    expect(error.message).not.toContain('secret');
  });

  test('names that lead inside are refused, whatever form the address has', async () => {
    for (const name of ['inside.test', 'six.test']) {
      const error = await failure(allowed(`http://${name}:${port}/plain`));
      expect(error.code).toBe('ADDRESS_NOT_ALLOWED');
    }
    expect(seen).toEqual([]);
  });

  test('of several addresses only the allowed ones are called', async () => {
    const response = await allowed(`http://mixed.test:${port}/plain`);
    expect(await response.text()).toBe('hello');
    expect(seen.splice(0).map(({ address }) => address)).toEqual(['127.0.0.2']);
  });

  test('an allowed range counts for the mapped form too, and for an address alone', async () => {
    const one = createSafeFetch({ allowedRanges: [parseRange('127.0.0.1')] });
    expect((await one(`http://127.0.0.1:${port}/plain`)).status).toBe(200);
    await failure(one(`http://127.0.0.2:${port}/plain`));
    seen.length = 0;
  });

  test('a name is resolved once for a connection; a second answer that leads inside is refused', async () => {
    const answers = ['127.0.0.2', '127.0.1.1'];
    let asked = 0;
    const rebinding = createSafeFetch({
      allowedRanges: [parseRange('127.0.0.0/24')],
      resolve: async () => [{ address: answers[asked++] ?? '127.0.1.1', family: 4 }],
    });
    const close = { headers: { connection: 'close' } };
    await (await rebinding(`http://rebind.test:${port}/plain`, close)).text();
    expect(asked).toBe(1);
    expect(seen.splice(0).map(({ address }) => address)).toEqual(['127.0.0.2']);
    expect((await failure(rebinding(`http://rebind.test:${port}/plain`, close))).code).toBe(
      'ADDRESS_NOT_ALLOWED',
    );
    expect(seen).toEqual([]);
  });
});

describe('redirects', () => {
  const to = (location: string, status = 302) =>
    `http://one.test:${port}/to?status=${status}&location=${encodeURIComponent(location)}`;

  test('each is checked', async () => {
    for (const target of [
      `http://inside.test:${port}/`,
      `http://127.0.1.1:${port}/`,
      `http://2130706689:${port}/`,
    ]) {
      expect((await failure(allowed(to(target)))).code).toBe('ADDRESS_NOT_ALLOWED');
    }
    expect((await failure(allowed(to('file:///etc/passwd')))).code).toBe('SCHEME_NOT_ALLOWED');
    expect((await failure(allowed(to('http://a:b@one.test/')))).code).toBe('URL_HAS_CREDENTIALS');
    expect(seen.splice(0).map(({ address }) => address)).not.toContain('127.0.1.1');
  });

  test('a loop ends after five', async () => {
    expect((await failure(allowed(`http://one.test:${port}/loop`))).code).toBe('REDIRECT_LIMIT');
    expect(seen.splice(0)).toHaveLength(6);
  });

  test('"manual" gives the redirect itself, "error" refuses it', async () => {
    expect((await allowed(to('/plain'), { redirect: 'manual' })).status).toBe(302);
    expect((await failure(allowed(to('/plain'), { redirect: 'error' }))).code).toBe('REDIRECT_LIMIT');
    seen.length = 0;
  });

  test('secrets stay with the origin that they are for', async () => {
    const headers = { authorization: 'Bearer a', cookie: 'b=c', 'x-api-key': 'd', 'user-agent': 'e' };
    const same = await allowed(to('/plain'), { headers });
    expect([same.status, same.redirected, new URL(same.url).pathname]).toEqual([200, true, '/plain']);
    expect(seen.splice(0)[1]!.headers).toMatchObject(headers);
    await allowed(to(`http://two.test:${port}/plain`), { headers });
    const [, other] = seen.splice(0);
    expect(other).toMatchObject({ address: '127.0.0.2', headers: { 'user-agent': 'e' } });
    for (const name of ['authorization', 'cookie', 'x-api-key'])
      expect(other!.headers).not.toHaveProperty(name);
  });

  test('303 turns a POST into a GET, 307 repeats it, and a stream cannot be repeated', async () => {
    const post = { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json' } };
    await allowed(to('/plain', 303), post);
    expect(seen.splice(0)[1]).toMatchObject({ method: 'GET', body: '' });
    await allowed(to('/plain', 307), post);
    expect(seen.splice(0)[1]).toMatchObject({ method: 'POST', body: '{"a":1}' });
    const stream = {
      method: 'POST',
      body: ReadableStream.from([Buffer.from('a')]),
      duplex: 'half',
    } as RequestInit;
    expect((await failure(allowed(to('/plain', 307), stream))).code).toBe('REDIRECT_NOT_REPEATABLE');
    seen.length = 0;
  });
});

describe('limits', () => {
  const limited = (maxBytes: number, totalMs: number) => withLimits(allowed, { maxBytes, totalMs });
  const url = (path: string) => `http://one.test:${port}${path}`;

  test('an answer within them is as it was', async () => {
    const response = await limited(100, 5_000)(url('/plain'));
    expect(await response.text()).toBe('hello');
    expect(response.url).toBe(url('/plain'));
  });

  test('size counts unpacked, and before it is read where it is known', async () => {
    const bomb = await limited(10_000, 5_000)(url('/bomb'));
    expect((await failure(bomb.text())).code).toBe('RESPONSE_TOO_LARGE');
    expect((await failure(limited(10_000, 5_000)(url('/large')))).code).toBe('RESPONSE_TOO_LARGE');
  });

  test('time counts until the end of the body', async () => {
    const slow = await limited(100, 200)(url('/slow'));
    expect((await failure(slow.text())).code).toBe('TIMED_OUT');
  });

  test('a status that no Response can have is an error', async () => {
    expect((await failure(limited(100, 5_000)(url('/odd')))).code).toBe('RESPONSE_INVALID');
  });

  test("the caller's own abort stays what it is", async () => {
    const reason = new Error('enough');
    const call = limited(100, 5_000)(url('/plain'), { signal: AbortSignal.abort(reason) });
    await expect(call).rejects.toBe(reason);
  });
});

test('it serves as the fetch of the openai client, tokens one by one', async () => {
  seen.length = 0;
  const client = (host: string) =>
    new OpenAI({ apiKey: 'secret', baseURL: `http://${host}:${port}/v1`, fetch: allowed, maxRetries: 0 });
  const request = {
    model: 'any',
    stream: true,
    messages: [{ role: 'user' as const, content: 'hi' }],
  } as const;
  const tokens: string[] = [];
  for await (const part of await client('one.test').chat.completions.create({
    ...request,
    messages: [...request.messages],
  })) {
    tokens.push(part.choices[0]!.delta.content!);
  }
  expect(tokens).toEqual(['Hel', 'lo']);
  expect(seen.splice(0)[0]).toMatchObject({ method: 'POST', headers: { authorization: 'Bearer secret' } });

  const refused = await client('inside.test')
    .chat.completions.create({ ...request, messages: [...request.messages] })
    .catch((error: unknown) => error);
  expect(outboundErrorIn(refused)?.code).toBe('ADDRESS_NOT_ALLOWED');
});
