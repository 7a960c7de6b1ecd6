import { defineConfig } from 'vitest/config';

// The suffix says what a test costs: .unit needs nothing, .int the servers, .e2e real processes that are killed.
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/**/*.unit.test.ts'] } },
      {
        test: {
          name: 'servers',
          include: ['test/**/*.int.test.ts', 'test/**/*.e2e.test.ts'],
          globalSetup: ['test/support/servers.ts'],
          // Two cores: files that start processes of their own would only slow one another down.
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
