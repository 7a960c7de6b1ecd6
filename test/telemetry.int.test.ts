import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApiClient, eventually } from './support/api-client.ts';
import {
  createTestEnvironment,
  freePort,
  type TestEnvironment,
  type TestProject,
} from './support/environment.ts';
import type { RunningProcess } from './support/processes.ts';

interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes: { key: string; value: { stringValue?: string } }[];
  service: string;
}

let environment: TestEnvironment;
let project: TestProject;
let api: ReturnType<typeof createApiClient>;
let worker: RunningProcess;
let server: RunningProcess & { url: string };
let receiver: Server;
const spans: ReceivedSpan[] = [];
const ports = { api: 0, worker: 0 };

/** An OTLP/HTTP receiver, as a collector is one: JSON bodies at /v1/traces. */
async function startReceiver(): Promise<string> {
  receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => {
      body += part;
    });
    request.on('end', () => {
      expect(request.url).toBe('/v1/traces');
      for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans) {
        const name = resource.attributes.find(({ key }: { key: string }) => key === 'service.name');
        for (const scope of scopeSpans)
          for (const span of scope.spans) spans.push({ ...span, service: name.value.stringValue });
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  project = await environment.createProject();
  const endpoint = await startReceiver();
  ports.api = await freePort();
  ports.worker = await freePort();
  const env = (port: number) => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    METRICS_PORT: String(port),
    CONVEX_URL: 'https://old.example',
  });
  [worker, server] = await Promise.all([
    environment.startWorker(env(ports.worker)),
    environment.startApi(env(ports.api)),
  ]);
  api = createApiClient(server.url, project.key);
  await api.ready(await api.upload('# Opening hours\n\nThe Kirchgasse branch opens at ten.'));
});
afterAll(async () => {
  await environment?.close();
  receiver?.closeAllConnections();
  receiver?.close();
});

test('one trace joins the request, its workflow and the activities', async () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const answer = await api.ask(
    'When does the branch open?',
    {},
    { traceparent: `00-${traceId}-b7ad6b7169203331-01` },
  );
  expect(answer.status, answer.text).toBe(200);
  const joined = await eventually(async () => {
    const found = spans.filter((span) => span.traceId === traceId);
    return found.some(({ name }) => name === 'POST /chat') &&
      found.some(({ name }) => name === 'RunActivity:generateAnswer')
      ? found
      : undefined;
  });
  const names = joined.map(({ name }) => name);
  expect(names).toContain('StartWorkflow:chatTurn');
  expect(names).toContain('RunWorkflow:chatTurn');
  const byId = new Map(joined.map((span) => [span.spanId, span]));
  const chain: string[] = [];
  let span = joined.find(({ name }) => name === 'RunActivity:generateAnswer');
  while (span) {
    chain.push(`${span.service} ${span.name}`);
    span = span.parentSpanId ? byId.get(span.parentSpanId) : undefined;
  }
  expect(chain[0]).toBe('frontdesk-worker RunActivity:generateAnswer');
  expect(chain).toContain('frontdesk-worker RunWorkflow:chatTurn');
  expect(chain.at(-1)).toBe('frontdesk-api POST /chat');
});

test('metrics of both processes are on ports of their own, with those of Temporal', async () => {
  // Only names and values that matter here: a failing line should not print thousands.
  const scrape = async (port: number) =>
    (await (await fetch(`http://127.0.0.1:${port}/metrics`)).text())
      .split('\n')
      .filter((line) =>
        /^(frontdesk_|process_cpu|temporal_long_request)\w*(_count|_total|_waiting)/.test(line),
      )
      .join('\n');
  const ofApi = await scrape(ports.api);
  expect(ofApi).toMatch(/frontdesk_http_request_seconds_count\{.*route="\/chat",status="200".*\} 1/);
  expect(ofApi).toContain('process_cpu_');
  const ofWorker = await scrape(ports.worker);
  expect(ofWorker).toMatch(/frontdesk_answer_seconds_count\{.*status="answered".*\} 1/);
  expect(ofWorker).toMatch(/frontdesk_tokens_total\{.*kind="prompt".*\} [1-9]/);
  expect(ofWorker).toMatch(/frontdesk_dispatches_waiting\{.*\} \d/);
  expect(ofWorker).toContain('temporal_');
  expect((await fetch(`${server.url}/metrics`)).status, 'not on the public port').toBe(404);
});

test('logs have ids, lengths, times and tokens', async () => {
  const { json } = await api.ask('When does the branch open?');
  const lines = (running: RunningProcess) =>
    running
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  const accepted = await eventually(async () =>
    lines(server).find(({ msg, turnId }) => msg === 'turn accepted' && turnId === json.turnId),
  );
  expect(accepted).toMatchObject({
    projectId: project.id,
    conversationId: json.conversationId,
    workflowId: `turn/${json.turnId}`,
    messageLength: 'When does the branch open?'.length,
    reqId: expect.any(String),
  });
  const recorded = await eventually(async () =>
    lines(worker).find(({ msg, turnId }) => msg === 'turn recorded' && turnId === json.turnId),
  );
  expect(recorded).toMatchObject({
    projectId: project.id,
    status: 'answered',
    answerMs: expect.any(Number),
    promptTokens: json.usage.promptTokens,
    completionTokens: json.usage.completionTokens,
  });
  const answered = lines(server).find(({ msg, route }) => msg === 'request answered' && route === '/chat');
  expect(answered).toMatchObject({ projectId: project.id, method: 'POST', status: 200 });
  expect(server.output()).toContain('"variable":"CONVEX_URL"');
});

test('logs, spans and metrics hold no texts, keys, names or addresses', async () => {
  const email = 'priscilla.quimby@visitor.example';
  const password = 'correct horse battery staple';
  await api.ask(`My name is Priscilla Quimby and my address is ${email}.`);
  await api.call('POST', '/chat', '{"message": "Priscilla Quimby');
  await api.call('GET', `/documents/Quimby?email=${email}`);
  await api.call('GET', `/nowhere/${project.key}?key=${project.key}`);
  await createApiClient(server.url, 'cb_live_guessed_key_of_quimby').call('GET', '/documents');
  const anonymous = createApiClient(server.url, undefined);
  await anonymous.call('POST', '/auth/register', { email, password, name: 'Priscilla Quimby' });
  await anonymous.call('POST', '/auth/login', { email, password });
  await anonymous.call('GET', '/me', undefined, { authorization: 'Bearer quimby.quimby.quimby' });
  // A request that ends the process' work on the ones before.
  await api.call('GET', '/documents');
  await eventually(async () => (spans.some(({ name }) => name === 'GET /me') ? true : undefined));

  const metrics = await (await fetch(`http://127.0.0.1:${ports.api}/metrics`)).text();
  const everything = [server.output(), worker.output(), JSON.stringify(spans), metrics]
    .join('\n')
    .toLowerCase();
  for (const secret of [
    'quimby',
    email,
    password,
    project.key,
    project.widgetKey,
    'kirchgasse',
    'when does',
    '127.0.0.1:5',
    'mozilla',
  ]) {
    expect(everything.includes(secret.toLowerCase()), `"${secret}" is in the logs, spans or metrics`).toBe(
      false,
    );
  }
});
