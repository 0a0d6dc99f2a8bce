import { defineConfig } from 'vitest/config';

/** Beside their source, but made of real processes and waits: left out of `npm run test:fast`. */
const SLOW = ['src/dispatch/stdio/upstream.test.ts', 'src/dispatch/stdio/per-caller.test.ts', 'src/dispatch/sse/upstream.test.ts', 'src/sandbox/sandbox.test.ts', 'src/audit/recover.test.ts', 'src/receive/stream.test.ts', 'src/authenticate/keys.test.ts'];

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['src/**/*.test.ts', 'test/architecture/**/*.test.ts'], exclude: SLOW, testTimeout: 20_000 } },
      { test: { name: 'process', include: SLOW, testTimeout: 30_000 } },
      { test: { name: 'policy', include: ['test/policy/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 } },
      { test: { name: 'attack', include: ['test/attack/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 60_000 } },
    ],
  },
});
