import { describe, expect, it } from 'vitest';
import {
  concreteCommand,
  concreteLaunch,
  declaredView,
  expandText,
  type LaunchContext,
} from '../../src/core/launch.ts';
import type { LaunchSpec } from '../../src/core/service.ts';
import { serviceSpec } from './spec.ts';

const CONTEXT: LaunchContext = {
  project: 'shop',
  number: 2,
  hostEnv: {
    HOME: '/home/me',
    PATH: '/usr/bin',
    SETPOINT_RUN: 'outer',
    SETPOINT_PROJECT: 'outer',
    LANG: 'C',
  },
  ports: (service, number, port) =>
    ({ db: 5432, api: 9000 })[service]! + number + (port === 'http' ? 0 : 100),
  host: (service) => `${service}.local`,
};

function launched(launch: Partial<LaunchSpec>, context: Partial<LaunchContext> = {}) {
  const result = concreteLaunch(serviceSpec('api', launch), { ...CONTEXT, ...context });
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

describe('expandText', () => {
  it('fills in the number, hosts, own ports of this instance and ports of other services', () => {
    const text = [
      'n=',
      { ref: 'instance-number' },
      ' ',
      { ref: 'host', service: 'db' },
      ':',
      { ref: 'port', service: 'db', port: 'http' },
      ' own ',
      { ref: 'port', service: 'api', port: 'http' },
    ] as const;
    expect(expandText(text, { ...CONTEXT, service: 'api' })).toEqual({
      ok: true,
      value: 'n=2 db.local:5433 own 9002',
    });
  });

  it('says which port is not known, and takes the loopback address for a host', () => {
    const port = [{ ref: 'port', service: 'db', port: 'http' }] as const;
    expect(expandText(port, { service: 'api', number: 1 })).toEqual({
      ok: false,
      error: 'the number of port `http` of `db` is not known',
    });
    expect(expandText([{ ref: 'host', service: 'db' }], { service: 'api', number: 1 })).toMatchObject({
      value: '127.0.0.1',
    });
  });
});

describe('concreteCommand', () => {
  it('hands a script to its shell as the last argument', () => {
    const command = {
      kind: 'shell',
      shell: ['/bin/sh', '-c'],
      script: ['echo ', { ref: 'instance-number' }],
    } as const;
    expect(concreteCommand(command, { service: 'api', number: 3 })).toEqual({
      ok: true,
      value: ['/bin/sh', '-c', 'echo 3'],
    });
  });
});

describe('concreteLaunch', () => {
  it('inherits below ports below what is declared, and says which instance it is', () => {
    const { env, ports } = launched({
      ports: [
        { name: 'http', port: 8080 },
        { name: 'admin-ui', port: 'auto' },
        { name: '9229', port: 9229 },
      ],
      env: { LANG: 'en', ADMIN_UI_PORT: 'declared' },
    });
    expect(ports).toEqual({ http: 8081, 'admin-ui': 9102, 9229: 9230 });
    expect(env).toEqual({
      HOME: '/home/me',
      PATH: '/usr/bin',
      LANG: 'en',
      PORT: '8081',
      HTTP_PORT: '8081',
      ADMIN_UI_PORT: 'declared',
      SETPOINT_PROJECT: 'shop',
      SETPOINT_SERVICE: 'api',
      SETPOINT_INSTANCE: '2',
    });
  });

  it('inherits nothing, or what is named, and never the variables of an outer manager', () => {
    const own = { SETPOINT_PROJECT: 'shop', SETPOINT_SERVICE: 'api', SETPOINT_INSTANCE: '2' };
    expect(launched({ inheritEnv: false }).env).toEqual(own);
    expect(launched({ inheritEnv: ['LANG', 'NOPE', 'SETPOINT_RUN'] }).env).toEqual({ ...own, LANG: 'C' });
    expect(launched({}).env).not.toHaveProperty('SETPOINT_RUN');
  });

  it('appends to the result, then puts the path before PATH', () => {
    const { env } = launched({
      env: { FLAGS: '-a' },
      envAppend: [
        { name: 'FLAGS', value: '-b', separator: ' ', prepend: false },
        { name: 'PATH', value: './bin', separator: ':', prepend: true },
        { name: 'FRESH', value: 'x', separator: ':', prepend: true },
      ],
      path: ['/opt/one', '/opt/two'],
    });
    expect(env).toMatchObject({ FLAGS: '-a -b', PATH: '/opt/one:/opt/two:./bin:/usr/bin', FRESH: 'x' });
  });

  it('does not lose the system folders where the service has no PATH', () => {
    const { env } = launched({ inheritEnv: false, path: ['/opt/one'] });
    expect(env['PATH']).toMatch(/^\/opt\/one:.*\/usr\/bin:/);
    expect(launched({ inheritEnv: false }).env).not.toHaveProperty('PATH');
  });

  it('keeps a variable named __proto__ a variable', () => {
    const env = Object.fromEntries([['__proto__', 'x']]);
    expect(Object.hasOwn(launched({ env }).env, '__proto__')).toBe(true);
  });

  it('carries socket, user, umask and limits over, and leaves out those that are not there', () => {
    const launch = launched({
      socket: ['/run/', { ref: 'instance-number' }, '.sock'],
      user: 'nobody',
      umask: '0027',
      limits: { open_files: 64 },
    });
    expect(launch).toMatchObject({
      socket: '/run/2.sock',
      user: 'nobody',
      umask: '0027',
      limits: { open_files: 64 },
    });
    expect(launched({})).toEqual({
      backend: 'native',
      project: 'shop',
      service: 'api',
      argv: ['node', 'server.js'],
      cwd: '/srv/shop',
      env: expect.any(Object) as unknown,
      declaredEnv: expect.any(Object) as unknown,
      hostEnv: expect.any(Object) as unknown,
      ports: {},
      limits: {},
      mounts: [],
      stop: { signal: 'SIGTERM', graceMs: 10_000 },
    });
  });

  it('says what is wrong with a port that is not known or too high', () => {
    const spec = serviceSpec('api', { ports: [{ name: 'http', port: 65_535 }] });
    expect(concreteLaunch(spec, CONTEXT)).toEqual({
      ok: false,
      error: 'port `http` of instance 2 would be 65536; the highest is 65535',
    });
    const auto = serviceSpec('api', { ports: [{ name: 'http', port: 'auto' }] });
    expect(concreteLaunch(auto, { project: 'shop', number: 1, hostEnv: {} })).toEqual({
      ok: false,
      error: 'port `http` has not been given a number yet',
    });
  });
});

describe('declaredView', () => {
  it('holds nothing of what is inherited wholesale, but the values of what is named', () => {
    const all = declaredView(serviceSpec('api', {}), CONTEXT);
    const other = declaredView(serviceSpec('api', {}), { ...CONTEXT, hostEnv: { NEW: 'shell' } });
    expect(all).toEqual(other);
    const named = declaredView(serviceSpec('api', { inheritEnv: ['LANG', 'NOPE'] }), CONTEXT);
    expect(named).toMatchObject({ value: { inherit: { LANG: 'C' } } });
  });
});
