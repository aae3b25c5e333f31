// How `npm test` runs the tests. The build comes first: an import by a package's name gives its dist/, as users have it.
// Only the server is its source in unit tests: those of its parts and the relays of packages/testing share one copy of its
// classes. What a package does not export is imported from its src/.
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './scripts/test/longest-first.ts';

// Pairings, browsers and child processes, on two cores that may be loaded ten times over; a hanging test still ends.
const TEST_TIMEOUT_MS = 120_000;

const SERVER_SOURCE = join(import.meta.dirname, 'packages/server/src/index.ts');
const exclude = ['**/node_modules/**', '**/dist/**'];
// What is polled for comes within milliseconds, unless the machine is busy.
const POLL_TIMEOUT_MS = 30_000;
const shared = {
  environment: 'node',
  exclude,
  testTimeout: TEST_TIMEOUT_MS,
  hookTimeout: TEST_TIMEOUT_MS,
  expect: { poll: { timeout: POLL_TIMEOUT_MS } },
};

export default defineConfig({
  test: {
    watch: false,
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // A promise that nobody awaits is a fault like any other.
    dangerouslyIgnoreUnhandledErrors: false,
    passWithNoTests: false,
    allowOnly: false,
    projects: [
      {
        resolve: { alias: [{ find: /^@mte-relay\/server$/, replacement: SERVER_SOURCE }] },
        test: {
          ...shared,
          name: 'unit',
          include: [
            'packages/*/test/**/*.test.ts',
            'conformance/**/*.test.ts',
            'demo/**/*.test.ts',
            'bench/**/*.test.ts',
            'test/**/*.test.ts',
          ],
          exclude: [...exclude, 'test/e2e/**', 'test/runtimes/**', 'test/expo/**'],
        },
      },
      {
        test: {
          ...shared,
          name: 'runtimes',
          include: ['test/runtimes/*.test.ts'],
          globalSetup: 'test/runtimes/support/install.ts',
        },
      },
      {
        // By `npm run test:expo` alone: it installs much.
        test: { ...shared, name: 'expo', include: ['test/expo/*.test.ts'], globalSetup: 'test/expo/install.ts' },
      },
      {
        test: { ...shared, name: 'e2e', include: ['test/e2e/**/*.test.ts'] },
      },
    ],
  },
});
