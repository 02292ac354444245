import type {
  Dependency,
  LaunchSpec,
  Project,
  RestartPolicy,
  RestartSpec,
  ServiceSpec,
} from '../../src/core/service.ts';

type SpecChange = Partial<Omit<ServiceSpec, 'launch' | 'restart' | 'dependsOn'>> & {
  readonly launch?: Partial<LaunchSpec>;
  readonly restart?: RestartPolicy | Partial<RestartSpec>;
  readonly dependsOn?: readonly (Pick<Dependency, 'service' | 'condition'> & Partial<Dependency>)[];
};

/** A restart policy with every other setting at its default. */
export function restartSpec(change: RestartPolicy | Partial<RestartSpec> = {}): RestartSpec {
  return {
    policy: 'on-failure',
    maxRestarts: 0,
    windowMs: 60_000,
    successExitCodes: [0],
    ...(typeof change === 'string' ? { policy: change } : change),
  };
}

/** A service as the loader would make it of `command: [id]`, with what the test changes. */
export function spec(id: string, change: SpecChange = {}): ServiceSpec {
  const { launch, restart, dependsOn = [], ...rest } = change;
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
    dependsOn: dependsOn.map((d) => ({ required: true, onFailure: 'ignore', ...d })),
    restart: restartSpec(restart),
    backoff: { initialMs: 500, maxMs: 30_000, multiplier: 2, jitter: 0, resetAfterMs: 30_000 },
    stop: { signal: 'SIGTERM', graceMs: 10_000, killTree: true },
    replicas: 1,
    log: { maxSize: 64 * 1024 * 1024, keep: 3 },
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
