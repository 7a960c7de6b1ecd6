import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const withServers = { globalSetup: ['test/support/servers.ts'], testTimeout: 60_000, hookTimeout: 120_000 };
/** They measure what a visitor's machine does, or how long somebody waits for a server that is away. */
const alone = ['test/widget*.e2e.test.ts', 'test/existing-clients.e2e.test.ts', 'test/outages.e2e.test.ts'];

/** The drill takes longest: the others run beside it. */
class DrillFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isDrill = ({ moduleId }: TestSpecification) => moduleId.endsWith('/drill.e2e.test.ts');
    const sorted = await super.sort(files);
    return [...sorted.filter(isDrill), ...sorted.filter((file) => !isDrill(file))];
  }
}

// The suffix says what a test costs: .unit needs nothing, .int the servers, .e2e real processes that are killed, or a
// browser. One group after the other. Two files at a time: one often waits, and each has a database, a namespace and an
// index of its own.
export default defineConfig({
  test: {
    sequence: { sequencer: DrillFirst },
    projects: [
      { test: { name: 'unit', include: ['test/**/*.unit.test.ts'], sequence: { groupOrder: 1 } } },
      {
        test: {
          name: 'int',
          include: ['test/**/*.int.test.ts'],
          ...withServers,
          sequence: { groupOrder: 2 },
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'alone',
          include: alone,
          ...withServers,
          sequence: { groupOrder: 3 },
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/**/*.e2e.test.ts'],
          exclude: alone,
          ...withServers,
          sequence: { groupOrder: 4 },
          maxWorkers: 2,
        },
      },
    ],
  },
});
