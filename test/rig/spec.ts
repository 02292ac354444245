import type { LaunchSpec, Project, ServiceSpec } from '../../src/core/service.ts';

type SpecChange = Partial<Omit<ServiceSpec, 'launch'>> & { readonly launch?: Partial<LaunchSpec> };

/** A service as the loader would make it of `command: [id]`, with what the test changes. */
export function spec(id: string, change: SpecChange = {}): ServiceSpec {
  const { launch, ...rest } = change;
  return {
    id,
    labels: {},
    backendReason: 'no image and no flake',
    launch: {
      backend: 'native',
      command: { kind: 'exec', argv: [id] },
      cwd: '/srv',
      env: {},
      envAppend: [],
      inheritEnv: false,
      path: [],
      ports: [],
      limits: {},
      ...launch,
    },
    dependsOn: [],
    restart: 'on-failure',
    backoff: { initialMs: 500, maxMs: 30_000, multiplier: 2, jitter: 0, resetAfterMs: 30_000 },
    stop: { signal: 'SIGTERM', graceMs: 10_000, killTree: true },
    replicas: 1,
    hooks: {},
    errors: [],
    requires: [],
    profiles: [],
    origin: 'setpoint.yaml:1',
    ...rest,
  };
}

export function project(services: readonly ServiceSpec[], change: Partial<Project> = {}): Project {
  return {
    name: 'shop',
    dir: '/srv',
    files: ['/srv/setpoint.yaml'],
    services,
    inactive: [],
    redact: [],
    shutdownTimeoutMs: 60_000,
    ...change,
  };
}
