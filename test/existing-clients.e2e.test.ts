// Pages of another origin, in a real browser, whose scripts call as the existing clients do: what CORS would break, breaks
// here.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApiClient } from './support/api-client.ts';
import { launchBrowser, watchForFaults } from './support/browser.ts';
import { createTestEnvironment, type TestEnvironment, type TestProject } from './support/environment.ts';

let environment: TestEnvironment;
let site: Server;
let browser: Browser;
let page: Page;
let faults: readonly string[];
let project: TestProject;
let apiUrl: string;

beforeAll(async () => {
  environment = await createTestEnvironment(inject('servers'));
  const [api] = await Promise.all([environment.startApi(), environment.startWorker()]);
  apiUrl = api.url;
  project = await environment.createProject();
  const client = createApiClient(apiUrl, project.key);
  await client.ready(
    await client.upload('# Opening hours\n\nWe are open from ten to six, Monday to Friday.'),
  );
  const operator = { type: 'operator', id: null, ip: null } as const;
  await environment.stores.hosts.set(project.id, 'localhost', {}, operator);
  site = createServer((_request, response) => {
    response
      .writeHead(200, { 'content-type': 'text/html' })
      .end('<title>Shop</title><link rel="icon" href="data:,">');
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  browser = await launchBrowser();
  page = await browser.newPage();
  faults = watchForFaults(page);
  await page.goto(`http://localhost:${(site.address() as AddressInfo).port}/`);
});
afterAll(async () => {
  await browser?.close();
  site?.close();
  await environment?.close();
});

const question = 'When are you open?';
// biome-ignore lint/suspicious/noExplicitAny: replies as they come
type Reply = any;

test('AskMySite: settings, a first message, and one with the session token', async () => {
  const replies = await page.evaluate(
    async ({ apiUrl, key, question }) => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      const config: Reply = await (await fetch(`${apiUrl}/api/chatbot/config`, { headers })).json();
      const chat = async (more: Record<string, string>): Promise<Reply> => {
        const body = JSON.stringify({ message: question });
        const init = { method: 'POST', headers: { ...headers, ...more }, body };
        return await (await fetch(`${apiUrl}/api/chatbot/chat`, init)).json();
      };
      const first = await chat({});
      return { config, first, second: await chat({ 'x-session-token': first.sessionToken }) };
    },
    { apiUrl, key: project.widgetKey, question },
  );
  expect(replies.config.config.chatbotName).toBe('Assistant');
  expect(replies.first.message.content).toContain('ten to six');
  expect(replies.second.data.conversationId).toBe(replies.first.data.conversationId);
  expect(replies.second).not.toHaveProperty('sessionToken');
});

test('SmartChat: settings by the key in the path, two messages on one socket, history', async () => {
  const seen = await page.evaluate(
    async ({ apiUrl, key, question }) => {
      const config: Reply = await (await fetch(`${apiUrl}/api/widget/config/${key}`)).json();
      const socket = new WebSocket(`${apiUrl.replace('http', 'ws')}/api/chat/ws/chat/from_a_page`);
      await new Promise((resolve, reject) => {
        socket.onopen = resolve;
        socket.onerror = reject;
      });
      const ask = () =>
        new Promise<string>((resolve, reject) => {
          let text = '';
          socket.onmessage = ({ data }) => {
            const message = JSON.parse(data);
            if (message.type === 'chunk') text += message.content;
            else if (message.type === 'done') resolve(text);
            else reject(new Error(message.message));
          };
          socket.send(JSON.stringify({ message: question, api_key: key }));
        });
      const answers = [await ask(), await ask()];
      const history: Reply = await (await fetch(`${apiUrl}/api/chat/history/from_a_page`)).json();
      return { config, answers, messages: history.messages.length };
    },
    { apiUrl, key: project.widgetKey, question },
  );
  expect(seen.config.position).toBe('bottom-right');
  for (const answer of seen.answers) expect(answer).toContain('ten to six');
  expect(seen.messages).toBe(4);
});

test('assistants proxy: a thread, and one event in each chunk that the page is handed', async () => {
  const chunks = await page.evaluate(
    async ({ apiUrl, question }) => {
      const thread: Reply = await (await fetch(`${apiUrl}/open-ai/create-thread`)).json();
      const response = await fetch(`${apiUrl}/open-ai/process-message`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ threadId: thread.id, message: question }),
      });
      const reader = response.body!.getReader();
      const decoder = new TextDecoder();
      const read: string[] = [];
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        read.push(decoder.decode(part.value));
      }
      return read;
    },
    { apiUrl, question },
  );
  const events = chunks.map((chunk) => JSON.parse(chunk.replace(/^data: /, '')));
  expect(events[0].event).toBe('thread.run.created');
  expect(events.at(-2).content[0].text.value).toContain('ten to six');
  expect(events.at(-1).event).toBe('end');
});

test('nothing went wrong that a developer would see', () => {
  expect(faults).toEqual([]);
});
