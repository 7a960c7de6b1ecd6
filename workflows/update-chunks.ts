import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { ingestion } from '../domain/deadlines.ts';
import type { UpdateChunksInput } from '../domain/flows.ts';
import { codeOf } from './failures.ts';
import { untilDone } from './waiting.ts';

const step = {
  startToCloseTimeout: ingestion.step,
  scheduleToCloseTimeout: ingestion.giveUpAfter,
  heartbeatTimeout: ingestion.heartbeat,
  retry: ingestion.retry,
};
const { embedChunks } = proxyActivities<Activities>({ ...step, summary: 'embed the edited chunks' });
const { indexChunks } = proxyActivities<Activities>({ ...step, summary: 'index in Elasticsearch' });

/** Makes edited chunks of the version that answers findable by their new text, which is shown already. */
export async function updateChunks(input: UpdateChunksInput): Promise<void> {
  const { edit: _edit, ...version } = input;
  try {
    setCurrentDetails('Embedding the edited chunks');
    await untilDone((now) => embedChunks(version, now));
    setCurrentDetails('Indexing the edited chunks');
    await indexChunks(version, 'edited');
    setCurrentDetails('Done');
  } catch (error) {
    if (!isGone(error)) throw error;
    setCurrentDetails('The version is no longer there');
  }
}

/** A new version has taken the edits over, or the document was deleted. */
const isGone = (error: unknown): boolean =>
  ['SUPERSEDED', 'DOCUMENT_DELETED'].includes(codeOf(error, 'UNKNOWN'));
