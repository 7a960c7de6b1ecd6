import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createApiClient, eventually } from './support/api-client.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';
import { createScreen, openSocket, readEvents, readLines, type WireFrame } from './support/live-clients.ts';
import type { RunningProcess } from './support/processes.ts';

let environment: TestEnvironment;
let project: TestProject;
let worker: RunningProcess;
let url: string;
let api: ReturnType<typeof createApiClient>;
/** As a page: a publishable key and an Origin. */
let page: Record<string, string>;

const question = 'What does shipping to Norway cost?';

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  const [started, server] = await Promise.all([environment.startWorker(), environment.startApi()]);
  worker = started;
  url = server.url;
  api = createApiClient(url, project.key);
  page = { 'x-api-key': project.widgetKey, origin: 'https://shop.example' };
  await api.ready(await api.upload('# Shipping\n\nShipping to Norway costs 19 euros. It takes four days.'));
});
afterAll(() => environment?.close());

async function ask(body: object, headers: Record<string, string> = {}): Promise<Response> {
  const response = await fetch(`${url}/v1/chat/turns`, {
    method: 'POST',
    headers: { ...page, 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body: JSON.stringify({ message: question, ...body }),
  });
  expect(response.status).toBe(200);
  return response;
}

const get = (path: string, headers: Record<string, string> = page) => fetch(url + path, { headers });

/** A reply of any shape. */
async function bodyOf(response: Response): Promise<WireFrame> {
  return await response.json();
}

async function collect(response: Response): Promise<{ id: string; frame: WireFrame }[]> {
  const events = [];
  for await (const event of readEvents(response)) events.push(event);
  return events;
}

/** A turn that waits behind another one that nobody answers until the function is called. */
async function whileNobodyAnswers<T>(work: () => Promise<T>): Promise<T> {
  worker.kill('SIGTERM');
  await worker.exited;
  try {
    return await work();
  } finally {
    worker = await environment.startWorker();
  }
}

/** Answers are said, but not stored before the returned function is called. */
async function holdAnswers(): Promise<() => Promise<void>> {
  const { sql } = environment;
  const holder = await sql.reserve();
  await holder`select pg_advisory_lock(7)`;
  await sql.unsafe(`
    create function hold() returns trigger language plpgsql as 'begin perform pg_advisory_xact_lock(7); return new; end';
    create trigger hold before update on turn_attempts for each row execute function hold();`);
  return async () => {
    await holder`select pg_advisory_unlock(7)`;
    holder.release();
    await sql.unsafe('drop trigger hold on turn_attempts; drop function hold()');
  };
}

/** The ids of a new turn, from its first frame; the client then leaves. */
async function begin(body: object = {}): Promise<{ turnId: string; conversationId: string }> {
  const response = await ask(body);
  for await (const { frame } of readEvents(response)) return frame;
  throw new Error('no frame');
}

describe('server-sent events', () => {
  test('are the same frames, each under its position, ending with the recorded answer', async () => {
    const response = await ask({});
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(response.headers.get('access-control-allow-origin')).toBe('https://shop.example');
    const events = await collect(response);
    expect(events[0]!.frame).toMatchObject({ type: 'start', turnId: expect.any(String) });
    const screen = createScreen();
    for (const { id, frame } of events) {
      expect(id).toBe(`${frame.attempt}.${frame.seq}`);
      screen.show(frame);
    }
    expect(screen.last()).toMatchObject({ type: 'done', status: 'answered' });
    expect(screen.text()).toBe(screen.last().reply);
    expect(screen.text()).toContain('19 euros');
  });

  test('resume after any position, by header or address, and end a client that has everything', async () => {
    const all = await collect(await ask({}));
    const { turnId, conversationId } = all[0]!.frame;
    const path = `/v1/chat/turns/${turnId}/events?conversationId=${conversationId}`;
    expect(await collect(await get(path))).toEqual(all);
    for (const [n, { id }] of all.slice(0, -1).entries()) {
      expect(await collect(await get(path, { ...page, 'last-event-id': id }))).toEqual(all.slice(n + 1));
      expect(await collect(await get(`${path}&after=${id}`))).toEqual(all.slice(n + 1));
    }
    const newer = await get(`${path}&after=0.0`, { ...page, 'last-event-id': all.at(-2)!.id });
    expect(await collect(newer)).toEqual(all.slice(-1));
    expect((await get(path, { ...page, 'last-event-id': all.at(-1)!.id })).status).toBe(204);
    expect((await get(`${path}&after=nonsense`)).status).toBe(400);
  });

  test('of a queued turn begin at once and go on when it is answered', async () => {
    const [first, second] = await whileNobodyAnswers(async () => {
      const running = await begin();
      const queued = await begin({ conversationId: running.conversationId });
      const [row] = await environment.sql`select status from turns where id = ${queued.turnId}`;
      expect(row!.status).toBe('queued');
      return [running, queued];
    });
    const path = `/v1/chat/turns/${second.turnId}/events?conversationId=${second.conversationId}`;
    const events = await collect(await get(path));
    expect(events.at(-1)!.frame).toMatchObject({ type: 'done', status: 'answered' });
    const { turn } = (await api.call('GET', `/v1/chat/turns/${first.turnId}`)).json;
    expect(turn).toMatchObject({ status: 'answered', conversationId: second.conversationId });
  });

  test('keep a silent stream alive, and end it when the turn is removed', { timeout: 40_000 }, async () => {
    await whileNobodyAnswers(async () => {
      const { turnId, conversationId } = await begin();
      const response = await get(`/v1/chat/turns/${turnId}/events?conversationId=${conversationId}`);
      let comments = 0;
      const frames: WireFrame[] = [];
      const reading = (async () => {
        for await (const { frame } of readEvents(response, () => comments++)) frames.push(frame);
      })();
      // One to open the stream, one after the pause.
      await eventually(async () => (comments > 1 ? true : undefined), 20_000);
      await environment.sql`delete from turns where id = ${turnId}`;
      await reading;
      expect(frames.map((frame) => frame.type)).toEqual(['start', 'error']);
      expect(frames.at(-1).code).toBe('TURN_NOT_FOUND');
    });
  });
});

describe('the stop button', () => {
  test('cancels a queued turn at once; the one after it is answered', async () => {
    const { conversationId, stopped, kept } = await whileNobodyAnswers(async () => {
      const running = await begin();
      const stopped = await begin({ conversationId: running.conversationId });
      const kept = await begin({ conversationId: running.conversationId });
      const path = `/v1/chat/turns/${stopped.turnId}/cancel?conversationId=${stopped.conversationId}`;
      const events = get(`/v1/chat/turns/${stopped.turnId}/events?conversationId=${stopped.conversationId}`);
      const answer = await fetch(url + path, { method: 'POST', headers: page });
      expect(answer.status).toBe(200);
      expect((await bodyOf(answer)).turn).toMatchObject({ status: 'cancelled', reply: null });
      // Whoever watched it is told.
      expect((await collect(await events)).at(-1)!.frame).toMatchObject({
        type: 'done',
        status: 'cancelled',
      });
      return { conversationId: running.conversationId, stopped, kept };
    });
    await eventually(async () => {
      const { turns } = (await api.call('GET', `/v1/chat/conversations/${conversationId}`)).json;
      return turns.every((turn: { status: string }) => !['queued', 'running'].includes(turn.status))
        ? true
        : undefined;
    });
    const { turns } = (await api.call('GET', `/v1/chat/conversations/${conversationId}`)).json;
    expect(turns.map((turn: { status: string }) => turn.status)).toEqual([
      'answered',
      'cancelled',
      'answered',
    ]);
    expect(turns.map((turn: { turnId: string }) => turn.turnId)).toEqual([
      expect.any(String),
      stopped.turnId,
      kept.turnId,
    ]);
  });

  test('cancels a running turn through its workflow', async () => {
    const { turnId, conversationId } = await whileNobodyAnswers(async () => {
      const begun = await begin();
      await eventually(async () => {
        const [row] =
          await environment.sql`select 1 from dispatches where workflow_id = ${`turn/${begun.turnId}`}`;
        return row ? undefined : true;
      });
      const path = `/v1/chat/turns/${begun.turnId}/cancel?conversationId=${begun.conversationId}`;
      const answer = await fetch(url + path, { method: 'POST', headers: page });
      expect(answer.status).toBe(202);
      expect((await bodyOf(answer)).turn.status).toBe('running');
      return begun;
    });
    const events = await collect(
      await get(`/v1/chat/turns/${turnId}/events?conversationId=${conversationId}`),
    );
    expect(events.at(-1)!.frame).toMatchObject({ type: 'done', status: 'cancelled' });
    await expect(environment.temporal.workflow.getHandle(`turn/${turnId}`).result()).rejects.toThrow(
      /cancelled/i,
    );
    const again = await api.call('POST', `/v1/chat/turns/${turnId}/cancel`);
    expect([again.status, again.json.turn.status]).toEqual([200, 'cancelled']);
  });

  test('keeps what was said', async () => {
    const release = await holdAnswers();
    const screen = createScreen();
    let stoppedAt = 0;
    for await (const { frame } of readEvents(await ask({}))) {
      screen.show(frame);
      if (frame.type !== 'token' || stoppedAt > 0) continue;
      const path = `/v1/chat/turns/${frame.turnId}/cancel`;
      const { turnId } = frame;
      expect((await api.call('POST', path)).status).toBe(202);
      stoppedAt = Date.now();
      void eventually(async () => {
        const description = await environment.temporal.workflow.getHandle(`turn/${turnId}`).describe();
        return description.raw.pendingActivities?.some(({ state }) => state === 3) ? true : undefined;
      })
        // The activity learns it with its next heartbeat.
        .then(() => sleep(2_500))
        .finally(release);
    }
    expect(screen.last()).toMatchObject({ type: 'done', status: 'cancelled', reply: screen.text() });
    expect(screen.text()).toContain('19 euros');
    const { turn } = (await api.call('GET', `/v1/chat/turns/${screen.last().turnId}`)).json;
    expect(turn).toMatchObject({ status: 'cancelled', reply: screen.text() });
  });

  test('leaves an answer that is recorded as it is', async () => {
    const { json } = await api.ask(question);
    const answer = await api.call('POST', `/v1/chat/turns/${json.turnId}/cancel`);
    expect([answer.status, answer.json.turn.status]).toEqual([200, 'answered']);
  });
});

describe('a key in a page', () => {
  test('opens what the visitor knows, and nothing that it does not', async () => {
    const mine = (await collect(await ask({})))[0]!.frame;
    const theirs = (await collect(await ask({})))[0]!.frame;
    const path = `/v1/chat/turns/${mine.turnId}`;
    expect((await get(`${path}?conversationId=${mine.conversationId}`)).status).toBe(200);
    const without = await get(path);
    expect([without.status, (await bodyOf(without)).code]).toEqual([400, 'CONVERSATION_ID_REQUIRED']);
    for (const wrong of [
      `${path}?conversationId=${theirs.conversationId}`,
      `${path}/events?conversationId=${theirs.conversationId}`,
      `/v1/chat/turns/${crypto.randomUUID()}?conversationId=${mine.conversationId}`,
      `/v1/chat/turns/nonsense?conversationId=${mine.conversationId}`,
    ]) {
      const answer = await get(wrong);
      expect([answer.status, (await bodyOf(answer)).code]).toEqual([404, 'TURN_NOT_FOUND']);
    }
    for (const act of ['cancel', 'feedback']) {
      const answer = await fetch(`${url}${path}/${act}?conversationId=${theirs.conversationId}`, {
        method: 'POST',
        headers: { ...page, 'content-type': 'application/json' },
        body: JSON.stringify({ rating: 'up' }),
      });
      expect(answer.status).toBe(404);
    }
    const other = await environment.createProject();
    const foreign = { 'x-api-key': other.key };
    expect((await get(`${path}?conversationId=${mine.conversationId}`, foreign)).status).toBe(404);
    expect((await get(`/v1/chat/conversations/${mine.conversationId}`, foreign)).status).toBe(404);
  });

  test('shows a conversation to who knows its id, but none of a guessable session', async () => {
    const { turnId, conversationId } = (await collect(await ask({})))[0]!.frame;
    const shown = await bodyOf(await get(`/v1/chat/conversations/${conversationId}`));
    expect(shown.turns).toMatchObject([{ turnId, status: 'answered', message: question, error: null }]);
    const session = await bodyOf(
      await fetch(`${url}/v1/chat`, {
        method: 'POST',
        headers: { ...page, 'content-type': 'application/json' },
        body: JSON.stringify({ sessionId: 'guess-me', message: question }),
      }),
    );
    expect(session).toEqual({
      conversationId: expect.any(String),
      message: expect.stringContaining('19 euros'),
    });
    expect((await get(`/v1/chat/conversations/${session.conversationId}`)).status).toBe(404);
    expect((await api.call('GET', `/v1/chat/conversations/${session.conversationId}`)).status).toBe(200);
  });
});

describe('a WebSocket', () => {
  test('asks, follows and cancels many turns, with the key in a message or a header', async () => {
    const socket = await openSocket(url, { origin: 'https://shop.example' });
    socket.send({ type: 'hello', key: project.widgetKey });
    expect(await socket.next()).toEqual({ type: 'ready' });
    socket.send({ type: 'ask', ref: 'a', message: question, idempotencyKey: 'socket-1' });
    const accepted = await socket.next();
    expect(accepted).toEqual({
      type: 'accepted',
      ref: 'a',
      turnId: expect.any(String),
      conversationId: expect.any(String),
    });
    const screen = createScreen();
    for (const frame of await socket.until('done')) screen.show(frame);
    expect(screen.text()).toBe(screen.last().reply);

    // The same call once more, here and over HTTP, is the same turn.
    socket.send({ type: 'ask', ref: 'b', message: question, idempotencyKey: 'socket-1' });
    expect(await socket.next()).toEqual({ ...accepted, ref: 'b' });
    await socket.until('done');
    const [first] = await collect(await ask({}, { 'idempotency-key': 'socket-1' }));
    expect(first!.frame.turnId).toBe(accepted.turnId);

    const { turnId, conversationId } = accepted;
    const server = await openSocket(url, { 'x-api-key': project.key });
    expect(await server.next()).toEqual({ type: 'ready' });
    server.send({ type: 'follow', ref: 'c', turnId, after: screen.position() });
    expect(await server.next()).toEqual({ type: 'accepted', ref: 'c', turnId, conversationId });
    expect(await server.next()).toMatchObject({ type: 'done' });
    server.send({ type: 'cancel', ref: 'd', turnId, conversationId });
    expect(await server.next()).toEqual({ type: 'cancelling', ref: 'd', turnId, status: 'answered' });
    server.socket.close();
    socket.socket.close();
  });

  test('queues what is asked at once in the order in which it was sent', async () => {
    const socket = await openSocket(url, { 'x-api-key': project.key });
    await socket.next();
    socket.send({ type: 'ask', message: question });
    const { conversationId } = await socket.next();
    for (const n of [1, 2, 3])
      socket.send({ type: 'ask', ref: String(n), message: `${question} ${n}`, conversationId });
    let done = 0;
    while (done < 4) if ((await socket.next()).type === 'done') done += 1;
    const { turns } = (await api.call('GET', `/v1/chat/conversations/${conversationId}`)).json;
    expect(turns.map((turn: { message: string }) => turn.message)).toEqual([
      question,
      ...[1, 2, 3].map((n) => `${question} ${n}`),
    ]);
    socket.socket.close();
  });

  test('refuses what it does not understand and stays open; without a key it closes', async () => {
    const socket = await openSocket(url, { 'x-api-key': project.widgetKey, origin: 'https://shop.example' });
    await socket.next();
    for (const [message, code] of [
      [{ type: 'dance', ref: 'x' }, 'INVALID_REQUEST'],
      [{ type: 'ask', ref: 'x', message: ' ' }, 'INVALID_REQUEST'],
      [
        { type: 'ask', ref: 'x', message: 'm', conversationId: crypto.randomUUID() },
        'CONVERSATION_NOT_FOUND',
      ],
      [{ type: 'follow', ref: 'x', turnId: crypto.randomUUID() }, 'CONVERSATION_ID_REQUIRED'],
      [{ type: 'cancel', ref: 'x', turnId: 'y', conversationId: 'z' }, 'TURN_NOT_FOUND'],
    ] as const) {
      socket.send(message);
      expect(await socket.next()).toMatchObject({
        type: 'refused',
        ref: 'x',
        code,
        message: expect.any(String),
      });
    }
    socket.socket.send('not json');
    expect(await socket.next()).toMatchObject({ type: 'refused', code: 'INVALID_REQUEST' });
    socket.socket.close();

    const unknown = await openSocket(url, { 'x-api-key': 'nope' });
    expect(await unknown.next()).toMatchObject({ type: 'refused', code: 'INVALID_API_KEY' });
    expect((await unknown.closed).code).toBe(4401);
    const silent = await openSocket(url);
    silent.send({ type: 'ask', message: question });
    expect(await silent.next()).toMatchObject({ type: 'refused', code: 'API_KEY_REQUIRED' });
    expect((await silent.closed).code).toBe(4401);
  });

  test('of a server that stops: answers under way are finished, then it says 1012', async () => {
    const stopping = await environment.startApi();
    const idle = await openSocket(stopping.url, { 'x-api-key': project.key });
    await idle.next();
    const busy = await openSocket(stopping.url, { 'x-api-key': project.key });
    await busy.next();
    const release = await holdAnswers();
    busy.send({ type: 'ask', message: question });
    const [accepted] = await busy.until('token');
    stopping.kill('SIGTERM');
    expect((await idle.closed).code).toBe(1012);
    await release();
    const frames = await busy.until('done');
    expect(frames.at(-1)).toMatchObject({ turnId: accepted.turnId, status: 'answered' });
    expect((await busy.closed).code).toBe(1012);
    expect(await stopping.exited).toBe(0);
  });
});

describe('the NDJSON widget', () => {
  test('asks in a session by either call, and an admin key reads it', async () => {
    const headers = { 'x-widget-api-key': project.widgetKey, 'content-type': 'application/json' };
    const body = JSON.stringify({ sessionId: 'n-1', message: question });
    const lines: WireFrame[] = [];
    for await (const line of readLines(await fetch(`${url}/chat`, { method: 'POST', headers, body })))
      lines.push(line);
    expect(lines[0]).toEqual({ type: 'start', conversationId: expect.any(String) });
    expect(lines.at(-1)).toMatchObject({ type: 'done', conversationId: lines[0].conversationId });
    const { conversationId, message } = await bodyOf(
      await fetch(`${url}/v1/chat`, { method: 'POST', headers, body }),
    );
    expect([conversationId, message]).toEqual([lines[0].conversationId, lines.at(-1).message]);

    const path = '/v1/admin/conversations';
    expect((await get(path, {})).status).toBe(401);
    for (const key of [project.widgetKey, project.key]) {
      expect((await get(path, { 'x-admin-api-key': key })).status).toBe(403);
    }
    const admin = { 'x-admin-api-key': 'cb_test_an-admin-key-of-this-test' };
    await environment.stores.keys.create(project.id, {
      key: admin['x-admin-api-key'],
      kind: 'secret',
      name: 'admin',
      environment: 'test',
    });
    const { conversations } = await bodyOf(await get(`${path}?limit=1`, admin));
    expect(conversations).toMatchObject([{ conversationId, sessionId: 'n-1', messageCount: 4 }]);
    const one = await bodyOf(await get(`${path}/${conversationId}`, admin));
    expect(one.messages.map((said: { role: string }) => said.role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
    ]);
  });
});
