import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { readConfig } from '../../config.ts';

/** The widget on a page, as its visitors find it. Playwright looks into open shadow roots by itself. */
export function widgetOn(page: Page) {
  const launcher = page.locator('.launcher');
  const panel = page.locator('.panel');
  const field = page.locator('.field');
  const lastTurn = () => page.locator('.turn').last();
  return {
    launcher,
    panel,
    field,
    lastTurn,
    status: page.locator('.status:visible').last(),
    announced: page.locator('[role="status"]').last(),

    async open(): Promise<void> {
      await launcher.click();
      await panel.waitFor();
    },
    async ask(question: string): Promise<void> {
      await field.fill(question);
      await field.press('Enter');
    },
    /** The text of the last answer once it is complete. */
    async answer(): Promise<string> {
      await page.locator('.turn.finished').last().waitFor();
      const turn = lastTurn();
      await turn.locator('.end > *').first().waitFor();
      return (await turn.locator('.answer .text').textContent()) ?? '';
    },
  };
}

const folder = join(readConfig().FRONTDESK_HOME, 'screenshots');

/** Keeps a picture of a state, to be looked at when a page has changed. Waits for what moves. */
export async function keepPicture(target: Page | Locator, name: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await target.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' });
}
