import { defineConfig } from 'vitest/config';

const root = new URL('..', import.meta.url).pathname;

export default defineConfig({
  test: {
    root,
    include: ['test/**/*.test.ts'],
    // Adapters that nothing uses yet; their tests need engines of their own: SETPOINT_TEST_ADAPTERS=1 runs them too.
    exclude: [
      'test/bench/**',
      ...(process.env['SETPOINT_TEST_ADAPTERS'] === undefined ? ['test/backends/{nix,sandbox}/**'] : []),
    ],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    restoreMocks: true,
    globalSetup: [`${root}.config/global-setup.ts`],
    reporters: ['default', `${root}.config/closing-reporter.ts`],
  },
});
