import { readdir, readFile } from 'node:fs/promises';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { readConfig } from '../config.ts';
import { dataConverter } from '../temporal/connection.ts';
import { workflowBundle } from '../worker/bundle.ts';

// Workflows that were started by an earlier version must go on under this one. A change that breaks a replay needs
// patched() (CONTRIBUTING.md). The histories come from test/support/record-histories.ts.

const folder = new URL('./histories/', import.meta.url);
const names = (await readdir(folder)).filter((name) => name.endsWith('.json'));
Runtime.install({ logger: new DefaultLogger('ERROR', () => {}) });

test('every recorded history replays', async () => {
  expect(names.length).toBeGreaterThanOrEqual(7);
  const bundle = await workflowBundle(`${readConfig().FRONTDESK_HOME}/cache`, new DefaultLogger('ERROR'));
  const histories = await Promise.all(
    names.map(async (name) => ({
      workflowId: name,
      history: historyFromJSON(JSON.parse(await readFile(new URL(name, folder), 'utf8'))),
    })),
  );
  const failures: string[] = [];
  for await (const { workflowId, error } of Worker.runReplayHistories(
    { workflowBundle: bundle, dataConverter },
    histories,
  )) {
    if (error) failures.push(`${workflowId}: ${error.message}`);
  }
  expect(failures).toEqual([]);
});
