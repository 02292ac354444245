import type { LaunchSpec, ServiceSpec } from '../../src/core/service.ts';
import { spec } from '../rig/spec.ts';

/** A service as the loader would normalise `services: { ID: { command: [node, server.js] } }`. */
export function serviceSpec(
  id: string,
  launch: Partial<LaunchSpec> = {},
  rest: Omit<NonNullable<Parameters<typeof spec>[1]>, 'launch'> = {},
): ServiceSpec {
  return spec(id, {
    backoff: { initialMs: 500, maxMs: 30_000, multiplier: 2, jitter: 0.2, resetAfterMs: 30_000 },
    origin: 'setpoint.yaml:3',
    ...rest,
    launch: {
      command: { kind: 'exec', argv: ['node', 'server.js'] },
      cwd: '/srv/shop',
      inheritEnv: true,
      ...launch,
    },
  });
}
