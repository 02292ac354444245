import type { LaunchSpec, ServiceSpec } from '../../src/core/service.ts';

/** A service as the loader would normalise `services: { ID: { command: [node, server.js] } }`. */
export function serviceSpec(
  id: string,
  launch: Partial<LaunchSpec> = {},
  rest: Partial<Omit<ServiceSpec, 'id' | 'launch'>> = {},
): ServiceSpec {
  return {
    id,
    labels: {},
    backendReason: 'no image and no flake',
    launch: {
      backend: 'native',
      command: { kind: 'exec', argv: ['node', 'server.js'] },
      cwd: '/srv/shop',
      env: {},
      envAppend: [],
      inheritEnv: true,
      path: [],
      ports: [],
      limits: {},
      ...launch,
    },
    dependsOn: [],
    restart: 'on-failure',
    backoff: { initialMs: 500, maxMs: 30_000, multiplier: 2, jitter: 0.2, resetAfterMs: 30_000 },
    stop: { signal: 'SIGTERM', graceMs: 10_000, killTree: true },
    replicas: 1,
    hooks: {},
    errors: [],
    requires: [],
    profiles: [],
    origin: 'setpoint.yaml:3',
    ...rest,
  };
}
