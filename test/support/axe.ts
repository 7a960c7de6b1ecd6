import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** What axe finds on the page, in open shadow roots too: the rule, and where it is broken. */
export async function violations(page: Page): Promise<unknown> {
  await page.evaluate(`window.axe || ${axe}`);
  return await page.evaluate(`axe.run(document, { runOnly: ${JSON.stringify(rules)} })
    .then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map(({ target }) => target.flat().join(' '))]))`);
}
