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

    /** What has the focus; the host of the widget has it as well. */
    focused: () => page.locator(':focus').last(),
    /** Presses the key until the focus is on what the selector finds. */
    async tabTo(selector: string, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
      for (let presses = 0; presses < 25; presses++) {
        await page.keyboard.press(key);
        if ((await page.locator(`${selector}:focus`).count()) > 0) return;
      }
      throw new Error(`${key} does not reach ${selector}`);
    },

    /** Whether nothing of the conversation has to be scrolled sideways. */
    fits: () =>
      page.evaluate<boolean>(
        `(({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth)(document.querySelector('frontdesk-chat').shadowRoot.querySelector('.log'))`,
      ),

    /** Resolves when an open panel has prepared itself for answers. Call it before the panel is opened. */
    warm: () =>
      page.evaluate<void>(`new Promise((resolve) => {
        let had = false;
        const look = () => {
          const stage = document.querySelector('frontdesk-chat')?.shadowRoot.querySelector('.panel > .text');
          had ||= Boolean(stage);
          if (had && !stage) resolve();
          else requestAnimationFrame(look);
        };
        look();
      })`),

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
