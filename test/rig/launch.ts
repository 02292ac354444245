import type { ConcreteLaunch } from '../../src/core/launch.ts';
import type { ContainerSpec } from '../../src/core/service.ts';

/** A launch that asks for nothing, of the backend native, with what the test changes. */
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

/** The settings of a container that asks for nothing but its image. */
export const BARE_CONTAINER: ContainerSpec<string> = {
  image: 'app',
  pull: 'missing',
  capAdd: [],
  capDrop: [],
  ports: [],
  networks: [],
  extraHosts: [],
  privileged: false,
  init: false,
  readOnly: false,
  labels: {},
  hideGit: false,
};

/** The same, with what the test changes. */
export function dockerSpec(change: Partial<ContainerSpec> = {}): ContainerSpec {
  return { ...BARE_CONTAINER, ...change };
}
