import { build } from 'esbuild';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { launchBrowser, watchForFaults } from './support/browser.ts';
import { createTestEnvironment, type TestEnvironment } from './support/environment.ts';
import { startSite } from './support/site.ts';

// The React components in a React application, in its strict mode, which mounts everything twice.

let environment: TestEnvironment;
let site: Awaited<ReturnType<typeof startSite>>;
let browser: Browser;

beforeAll(async () => {
  [environment, site, browser] = await Promise.all([
    createTestEnvironment(inject('servers')),
    startSite(),
    launchBrowser(),
  ]);
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
  await environment?.close();
});

async function bundled(source: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: import.meta.dirname, loader: 'jsx' },
    jsx: 'automatic',
    bundle: true,
    minify: true,
    write: false,
    define: { 'process.env.NODE_ENV': '"development"' },
  });
  return outputFiles[0]!.text.replaceAll('</script', '<\\/script');
}

test('one widget while the component is there, none afterwards; props and visitor follow', async () => {
  const project = await environment.createProject();
  const { url } = await environment.startApi();
  const key = JSON.stringify(project.widgetKey);
  const script = await bundled(`
    import { StrictMode, useState } from 'react';
    import { createRoot } from 'react-dom/client';
    import { AskMySite, Frontdesk } from '../widget/react/index.ts';
    function App() {
      const [step, setStep] = useState(0);
      window.setStep = setStep;
      if (step === 2) return <AskMySite apiKey={${key}} apiBaseUrl="${url}/api" primaryColor="#8a4b2a" position="top-left" />;
      if (step === 3) return null;
      return <Frontdesk apiKey={${key}} apiUrl="${url}" title="Shop" suggestions={['One?']} user={step === 1 ? { name: 'Ada' } : undefined}
        onReady={(widget) => { window.ready = (window.ready ?? 0) + 1; widget.open(); }} />;
    }
    createRoot(document.getElementById('app')).render(<StrictMode><App /></StrictMode>);`);
  site.serve(
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>App</title></head><body><div id="app"></div><script>${script}</script></body></html>`,
  );
  const page = await browser.newPage();
  const faults = watchForFaults(page);
  await page.goto(site.url);
  await page.getByRole('dialog', { name: 'Chat with Shop' }).waitFor();
  expect(await page.locator('frontdesk-chat').count()).toBe(1);
  expect(await page.evaluate('ready')).toBe(1);

  await page.evaluate('setStep(1)');
  await page.getByText('Hello, Ada.').waitFor();
  expect(await page.evaluate('ready')).toBe(1);

  await page.evaluate('setStep(2)');
  const launcher = page.locator('.launcher');
  await launcher.waitFor();
  await expect.poll(async () => (await launcher.boundingBox())?.y).toBeLessThan(100);
  expect(await page.locator('frontdesk-chat').count()).toBe(1);

  await page.evaluate('setStep(3)');
  await expect.poll(() => page.locator('frontdesk-chat').count()).toBe(0);
  expect(await page.locator('script[src$="/widget.js"]').count()).toBe(1);
  expect(faults).toEqual([]);
});
