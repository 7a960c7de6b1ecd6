import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Finding } from '../../cli/finding.ts';

const program = fileURLToPath(new URL('../../cli/frontdesk', import.meta.url));

export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the `frontdesk` command in a folder without an .env file, so that nothing but `env` decides. */
export async function frontdesk(
  args: readonly string[],
  options: { env: Record<string, string>; cwd: string },
): Promise<CommandResult> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve);
    child.once('error', reject);
  });
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}

/** What the doctor finds, and its exit code. */
export async function doctor(options: {
  env: Record<string, string>;
  cwd: string;
}): Promise<{ code: number | null; findings: Finding[] }> {
  const { code, stdout } = await frontdesk(['doctor', '--json'], options);
  return { code, findings: JSON.parse(stdout) };
}
