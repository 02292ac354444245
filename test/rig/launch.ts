import type { ConcreteLaunch } from '../../src/core/launch.ts';

/** A launch of the backend native that asks for nothing, with what the test changes. */
export function launchOf(change: Partial<ConcreteLaunch>): ConcreteLaunch {
  return {
    backend: 'native',
    project: 'shop',
    service: 'web',
    argv: [],
    cwd: '/',
    env: {},
    declaredEnv: {},
    hostEnv: {},
    ports: {},
    limits: {},
    mounts: [],
    stop: { signal: 'SIGTERM', graceMs: 10_000 },
    ...change,
  };
}
