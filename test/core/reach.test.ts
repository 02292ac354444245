import { describe, expect, test } from 'vitest';
import { concreteLaunch } from '../../src/core/launch.ts';
import { launchContext, type ProjectContext } from '../../src/core/project-plan.ts';
import { extraHostsOf, viewFrom } from '../../src/core/reach.ts';
import { createRedactor } from '../../src/core/redact.ts';
import type { ContainerSpec, ServiceSpec, Text } from '../../src/core/service.ts';
import { dockerSpec } from '../rig/launch.ts';
import { spec } from '../rig/spec.ts';

function container(
  id: string,
  docker: Partial<ContainerSpec> = {},
  texts: readonly Text[] = [],
): ServiceSpec {
  return spec(id, {
    launch: {
      backend: 'docker',
      command: { kind: 'exec', argv: texts },
      ports: [{ name: 'http', port: 8080 }],
      container: dockerSpec({
        ports: [
          { name: 'http', container: 80, host: 8080, protocol: 'tcp' },
          { name: 'inner', container: 9000, protocol: 'tcp' },
        ],
        ...docker,
      }),
    },
  });
}

function native(id: string, backend: 'native' | 'nix' = 'native'): ServiceSpec {
  return spec(id, { launch: { backend, ports: [{ name: 'http', port: 3000 }] } });
}

/** As the port book has it: a fixed number for each instance, of what is published. */
const published = (services: ReadonlyMap<string, ServiceSpec>) => (id: string, n: number, port: string) => {
  const found = services.get(id)?.launch.ports.find(({ name }) => name === port)?.port;
  return typeof found === 'number' ? found + n - 1 : undefined;
};

function seen(from: ServiceSpec | undefined, target: ServiceSpec, ...others: ServiceSpec[]): string {
  const all = [...(from === undefined ? [] : [from]), target, ...others];
  const services = new Map(all.map((each) => [each.id, each]));
  const view = viewFrom(from, services, published(services));
  return `${view.host(target.id)}:${view.ports(target.id, 1, 'http') ?? '?'}`;
}

const CASES: readonly (readonly [string, ServiceSpec | undefined, ServiceSpec, string])[] = [
  ['a native service, from the machine', undefined, native('api'), '127.0.0.1:3000'],
  ['a native service, from another one', native('web'), native('api'), '127.0.0.1:3000'],
  ['a Nix service, from a native one', native('web'), native('api', 'nix'), '127.0.0.1:3000'],
  ['a container, from the machine', undefined, container('db'), '127.0.0.1:8080'],
  ['a container, from a native service', native('web'), container('db'), '127.0.0.1:8080'],
  ['a container on the same network', container('web'), container('db'), 'db:80'],
  [
    'a container on a network of both',
    container('web', { networks: ['a', 'b'] }),
    container('db', { networks: ['b'] }),
    'db:80',
  ],
  [
    'a container on another network',
    container('web', { networks: ['a'] }),
    container('db'),
    'host.docker.internal:8080',
  ],
  ['a native service, from a container', container('web'), native('api'), 'host.docker.internal:3000'],
  ['a Nix service, from a container', container('web'), native('api', 'nix'), 'host.docker.internal:3000'],
  [
    "a container on the engine's own bridge",
    container('web', { networkMode: 'bridge' }),
    container('db', { networkMode: 'bridge' }),
    'host.docker.internal:8080',
  ],
  [
    "a native service, from the host's network",
    container('web', { networkMode: 'host' }),
    native('api'),
    '127.0.0.1:3000',
  ],
  [
    "a container, from the host's network",
    container('web', { networkMode: 'host' }),
    container('db'),
    '127.0.0.1:8080',
  ],
  [
    "a container on the host's network, from the machine",
    undefined,
    container('db', { networkMode: 'host' }),
    '127.0.0.1:80',
  ],
  [
    "a container on the host's network, from another one",
    container('web'),
    container('db', { networkMode: 'host' }),
    'host.docker.internal:80',
  ],
  [
    'a container whose network it shares',
    container('web', { networkMode: 'service:db' }),
    container('db'),
    '127.0.0.1:80',
  ],
  [
    'a container that shares its network',
    container('db'),
    container('web', { networkMode: 'service:db' }),
    '127.0.0.1:80',
  ],
];

describe('where a service is found', () => {
  test.each(CASES)('%s', (_, from, target, expected) => {
    expect(seen(from, target)).toBe(expected);
  });

  test("what shares the network of another one is found by that one's name", () => {
    const side = container('side', { networkMode: 'service:db' });
    expect(seen(container('web'), side, container('db'))).toBe('db:80');
    expect(seen(side, container('web'), container('db'))).toBe('web:80');
  });

  test('a container finds itself by its name, and by the loopback address where it has none', () => {
    expect(seen(container('db'), container('db'))).toBe('db:80');
    expect(seen(container('db', { networkMode: 'bridge' }), container('db', { networkMode: 'bridge' }))).toBe(
      '127.0.0.1:80',
    );
  });

  test("a port that is not published is known on the container's networks only", () => {
    const services = new Map([container('web'), container('db'), native('api')].map((s) => [s.id, s]));
    const from = (id: string): number | undefined =>
      viewFrom(services.get(id), services, published(services)).ports('db', 1, 'inner');
    expect([from('web'), from('api')]).toEqual([9000, undefined]);
  });

  test('networks shared in a circle do not keep anybody waiting', () => {
    const a = container('a', { networkMode: 'service:b' });
    expect(seen(a, container('b', { networkMode: 'service:a' }))).toMatch(/:\d+$/);
  });
});

const toApi: Text = [
  'http://',
  { ref: 'host', service: 'api' },
  ':',
  { ref: 'port', service: 'api', port: 'http' },
];

describe('the way from a container to the machine', () => {
  const hosts = (...specs: readonly ServiceSpec[]): readonly string[] => {
    const [first] = specs;
    if (first === undefined) throw new Error('no service');
    return extraHostsOf(first, new Map(specs.map((each) => [each.id, each])));
  };

  test('is opened where a text refers to something there, and only there', () => {
    expect(hosts(container('web', {}, [toApi]), native('api'))).toEqual([
      'host.docker.internal:host-gateway',
    ]);
    expect(hosts(container('web', {}, [toApi]), container('api'))).toEqual([]);
    expect(hosts(container('web'), native('api'))).toEqual([]);
  });

  test('is left as it is declared', () => {
    const extraHosts = ['host.docker.internal:10.0.0.1'];
    expect(hosts(container('web', { extraHosts }, [toApi]), native('api'))).toEqual(extraHosts);
  });

  test('is opened by the one whose network another one shares', () => {
    const side = container('side', { networkMode: 'service:web' }, [toApi]);
    expect(hosts(container('web'), side, native('api'))).toEqual(['host.docker.internal:host-gateway']);
    expect(hosts(side, container('web'), native('api'))).toEqual([]);
  });
});

describe('the launch of a container', () => {
  const db = container('db', { maxContainers: 3, entrypoint: ['/entry', toApi] }, ['serve', toApi]);
  const services = new Map([db, native('api')].map((each) => [each.id, each]));
  const context: ProjectContext = {
    hostEnv: { HOME: '/home/me', TOKEN: 'abc', PATH: '/bin' },
    port: published(services),
    redactor: createRedactor({ patterns: [], values: [] }),
    salt: 'salt',
    services,
    resources: { networks: { default: { internal: true }, other: {} }, volumes: { data: {} } },
  };
  const launched = (of: ServiceSpec): ReturnType<typeof concreteLaunch> =>
    concreteLaunch(of, launchContext(of, 'shop', 2, context));

  test('is filled in as seen from inside, its environment on the machine as seen from there', () => {
    const withEnv = { ...db, launch: { ...db.launch, env: { API: toApi, A: 'b' }, inheritEnv: ['TOKEN'] } };
    const result = launched(withEnv);
    if (!result.ok) throw new Error(result.error);
    const { container: box, declaredEnv, env, ports, argv, resources } = result.value;
    expect(argv).toEqual(['serve', 'http://host.docker.internal:3000']);
    expect(box).toMatchObject({
      entrypoint: ['/entry', 'http://host.docker.internal:3000'],
      extraHosts: ['host.docker.internal:host-gateway'],
      maxContainers: 3,
      pull: 'missing',
    });
    expect(declaredEnv).toEqual({
      TOKEN: 'abc',
      PORT: '80',
      HTTP_PORT: '80',
      INNER_PORT: '9000',
      API: 'http://host.docker.internal:3000',
      A: 'b',
      SETPOINT_PROJECT: 'shop',
      SETPOINT_SERVICE: 'db',
      SETPOINT_INSTANCE: '2',
    });
    expect(env).toMatchObject({ HOME: '/home/me', PORT: '8081', API: 'http://127.0.0.1:3000' });
    expect(ports).toEqual({ http: 8081 });
    expect(resources).toEqual({ networks: { default: { internal: true } }, volumes: {} });
  });

  test("of an image's own command has none", () => {
    const result = launched({ ...db, launch: { ...db.launch, command: { kind: 'image' } } });
    expect(result).toMatchObject({ ok: true, value: { argv: [] } });
    expect(result.ok && result.value.container).toBeDefined();
  });
});
