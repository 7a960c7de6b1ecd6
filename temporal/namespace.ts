import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { connectionOptions, type TemporalOptions } from './connection.ts';
import { searchAttributes } from './search-attributes.ts';

/** INDEXED_VALUE_TYPE_KEYWORD in Temporal's API. */
const keyword = 2;

/**
 * Registers the search attributes and sets how long closed workflows are kept. Can run again; what is there stays.
 * Where the account may not change the namespace (Temporal Cloud), rejects with what to set by hand.
 */
export async function setUpNamespace(options: TemporalOptions, retentionDays: number): Promise<void> {
  const connection = await Connection.connect(connectionOptions(options));
  const { namespace } = options;
  const names = Object.keys(searchAttributes);
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = names.filter((name) => !(name in customAttributes));
    if (missing.length > 0) {
      await connection.operatorService.addSearchAttributes({
        namespace,
        searchAttributes: Object.fromEntries(missing.map((name) => [name, keyword])),
      });
    }
    await connection.workflowService.updateNamespace({
      namespace,
      config: { workflowExecutionRetentionTtl: msToTs(retentionDays * 86_400_000) },
    });
  } catch (error) {
    throw new Error(
      `The Temporal namespace ${namespace} could not be set up: ${(error as Error).message}. By hand: add the keyword ` +
        `search attributes ${names.join(', ')}, and a retention of ${retentionDays} days.`,
      { cause: error },
    );
  } finally {
    await connection.close();
  }
}
