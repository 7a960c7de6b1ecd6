// maildev: an SMTP server that keeps every mail, a page that shows them, and `GET /email` that lists them.
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { ProcessPlan } from './supervisor.ts';

/** Plans a mailbox with its mail in `<data>/mail`, which it reads again when it starts. */
export function planMailbox(options: { data: string; smtpPort: number; webPort: number }): {
  plan: ProcessPlan;
  smtpUrl: string;
  url: string;
} {
  const folder = join(options.data, 'mail');
  mkdirSync(folder, { recursive: true });
  const program = join(
    dirname(createRequire(import.meta.url).resolve('maildev/package.json')),
    'bin/maildev',
  );
  const url = `http://127.0.0.1:${options.webPort}`;
  const args = ['--ip', '127.0.0.1', '--smtp', String(options.smtpPort), '--web', String(options.webPort)];
  const plan: ProcessPlan = {
    name: 'mailbox',
    command: process.execPath,
    args: [program, ...args, '--mail-directory', folder],
    cwd: folder,
    env: { PATH: process.env.PATH },
    ports: { smtp: options.smtpPort, mailbox: options.webPort },
    async ready() {
      const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) });
      await response.arrayBuffer();
      return response.ok;
    },
    startLimitMs: 30_000,
    stopSignal: 'SIGTERM',
    stopLimitMs: 5_000,
  };
  return { plan, smtpUrl: `smtp://127.0.0.1:${options.smtpPort}`, url };
}
