import { defineConfig } from 'vitest/config';

const withServers = { globalSetup: ['test/support/servers.ts'], testTimeout: 60_000, hookTimeout: 120_000 };

// The suffix says what a test costs: .unit needs nothing, .int the servers, .e2e real processes that are killed or a
// browser. One kind after the other.
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/**/*.unit.test.ts'], sequence: { groupOrder: 1 } } },
      {
        test: {
          name: 'int',
          include: ['test/**/*.int.test.ts'],
          ...withServers,
          sequence: { groupOrder: 2 },
          // Each file has a database, a namespace and an index of its own; two fill two cores while one of them waits.
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/**/*.e2e.test.ts'],
          ...withServers,
          sequence: { groupOrder: 3 },
          // These fill the machine alone.
          fileParallelism: false,
        },
      },
    ],
  },
});
