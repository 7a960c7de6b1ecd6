import type { Config } from '../../config.ts';
import { missingModelFiles } from '../../providers/local/model-thread.ts';
import type { MailServer } from '../../providers/mail/index.ts';
import { fail, type Finding, masked, ok, warn } from '../finding.ts';

const minimumNode = 24;

/** The servers' addresses. An environment that cannot be read at all never gets here. */
export function checkConfiguration(config: Config): Finding[] {
  const addresses = {
    DATABASE_URL: config.DATABASE_URL,
    TEMPORAL_ADDRESS: config.TEMPORAL_ADDRESS,
    ELASTICSEARCH_URL: config.ELASTICSEARCH_URL,
  };
  const missing = Object.entries(addresses).filter(([, address]) => address === undefined);
  const findings = missing.map(([name]) =>
    fail(
      'Configuration',
      `${name} is not set`,
      'Set it, or run `npm start` in this folder and this command beside it',
    ),
  );
  if (findings.length === 0) {
    const places = Object.values(addresses).map((address) => masked(address!));
    findings.push(ok('Configuration', `${config.NODE_ENV}: ${places.join(', ')}`));
  }
  return findings;
}

export function checkNode(version: string): Finding {
  if (Number.parseInt(version, 10) >= minimumNode) return ok('Node', version);
  return fail(
    'Node',
    `${version}: TypeScript runs from ${minimumNode} on`,
    `Use node_modules/.bin/node, or install Node ${minimumNode}`,
  );
}

export function checkModel(folder: string): Finding {
  const missing = missingModelFiles(folder);
  if (missing === undefined) return ok('Embedding model', folder);
  return fail('Embedding model', missing, 'Run `npm run download`. If the workers are elsewhere, look there');
}

/** Connects, greets and, where the address names a user, logs in. Sends nothing. */
export async function checkSmtp(
  server: MailServer | undefined,
  verify: (url: string) => Promise<unknown>,
): Promise<Finding> {
  if (server === undefined) {
    return warn('SMTP', 'SMTP_URL is not set: no mail is sent', 'Set SMTP_URL to a mail server');
  }
  // Its keys may be good for sending only, so there is nothing to ask.
  if (server.kind === 'resend') return ok('Mail', `through Resend, from ${server.from}`);
  await verify(server.url);
  return ok('SMTP', `${masked(server.url)}, from ${server.from}`);
}
