import type { ChunkIndex } from '../../stores/elasticsearch/chunk-index.ts';
import { fail, type Finding, ok, warn } from '../finding.ts';

/** `usable`: whether the index can be read as this program expects it. */
export async function checkElasticsearch(
  index: Pick<ChunkIndex, 'name' | 'inspect'>,
): Promise<{ findings: Finding[]; usable: boolean }> {
  const { status, exists, blocks, differences } = await index.inspect();
  const findings: Finding[] = [];
  const health = `the index is ${status}`;
  if (status === 'red') {
    const remedy = "Look at Elasticsearch's log: a part of an index is not there";
    findings.push(fail('Elasticsearch', health, remedy));
  } else if (status === 'yellow') {
    findings.push(warn('Elasticsearch', `${health}: copies are missing`, 'Add a node, or bring it back'));
  } else {
    findings.push(ok('Elasticsearch', health));
  }
  if (blocks.length > 0) {
    const remedy =
      'Free disk space: Elasticsearch then lifts read_only_allow_delete by itself. Lift others in the settings';
    findings.push(fail('Elasticsearch', `writing is blocked: ${blocks.join(', ')}`, remedy));
  }
  const check = `Index ${index.name}`;
  if (!exists) {
    findings.push(fail(check, 'does not exist', 'Run `frontdesk rebuild-index`'));
  } else if (differences.length > 0) {
    const detail = `is not as this version needs it: ${differences.join('; ')}`;
    findings.push(fail(check, detail, 'Run `frontdesk rebuild-index --drop`', { data: { differences } }));
  } else {
    findings.push(ok(check, 'exists with the expected mapping'));
  }
  return { findings, usable: exists && differences.length === 0 && status !== 'red' };
}
