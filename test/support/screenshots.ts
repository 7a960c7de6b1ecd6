// Makes the pictures of the README. Run it by hand, beside a running `npm start`, when what they show has changed:
//   npx node test/support/screenshots.ts
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { readConfig } from '../../config.ts';
import { createApiClient } from './api-client.ts';
import { launchBrowser } from './browser.ts';

const folder = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const question = 'Do you ship to Norway?';

async function chatTurn(browser: Browser, temporalUiUrl: string, turnId: string): Promise<void> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const workflowId = encodeURIComponent(`turn/${turnId}`);
  await page.goto(`${temporalUiUrl}/namespaces/default/workflows/${workflowId}`);
  // It goes on to the newest run.
  await page.waitForURL('**/timeline');
  await page.goto(page.url().replace(/timeline$/, 'history'));
  await page.getByRole('button', { name: 'Compact' }).click();
  await page.getByRole('button', { name: 'Descending' }).click();
  // The first button folds the navigation away.
  await page.locator('button:visible').first().click();
  await page.getByText('generate the answer').waitFor();
  await page.mouse.move(0, 0);
  await page.waitForTimeout(1_000);
  await page.screenshot({ path: join(folder, 'temporal-chat-turn.png') });
}

async function demoPage(browser: Browser, apiUrl: string): Promise<void> {
  const page = await browser.newPage({ viewport: { width: 1180, height: 860 } });
  await page.goto(`${apiUrl}/demo`);
  await page.locator('.launcher').click();
  await page.getByRole('button', { name: question }).click();
  await page.locator('.turn.finished summary').first().click();
  await page.screenshot({ path: join(folder, 'demo.png'), animations: 'disabled' });
}

const demo = JSON.parse(await readFile(join(readConfig().FRONTDESK_HOME, 'demo.json'), 'utf8'));
const { json } = await createApiClient(demo.apiUrl, demo.apiKey).ask(question);
await mkdir(folder, { recursive: true });
const browser = await launchBrowser();
try {
  await chatTurn(browser, demo.temporalUiUrl, json.turnId);
  await demoPage(browser, demo.apiUrl);
} finally {
  await browser.close();
}
