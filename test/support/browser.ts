import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import chromium from '@sparticuz/chromium';
import { type Browser, chromium as driver, type Page } from 'playwright-core';

// Not the package's own flags: --single-process crashes when a page closes, --disable-web-security hides CORS faults.
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-sync',
];

/** A headless Chrome or Chromium: the installed one, else the one inside the npm package. */
export async function launchBrowser(): Promise<Browser> {
  return await driver.launch({
    executablePath: installedBrowser() ?? (await chromium.executablePath()),
    args: flags,
  });
}

function installedBrowser(): string | undefined {
  const names = ['google-chrome', 'google-chrome-stable', 'chromium', 'chromium-browser'];
  const onPath = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  const files = onPath.flatMap((folder) => names.map((name) => join(folder, name)));
  files.push('/Applications/Google Chrome.app/Contents/MacOS/Google Chrome');
  return files.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Collects what a developer would see go wrong: errors on the console (violations of the content security policy are
 * among them), exceptions, failed requests and error statuses. Call it before the page is opened.
 */
export function watchForFaults(page: Page): readonly string[] {
  const faults: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText;
    // Chromium says so of streams too that were read to their end with a reader.
    if (reason !== 'net::ERR_ABORTED') faults.push(`${request.url()}: ${reason}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) faults.push(`${response.url()}: ${response.status()}`);
  });
  return faults;
}
