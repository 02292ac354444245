import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeManifests, mergeService, settleTags } from '../../../src/manifest/merge/merge.ts';
import type { MapEntry, MapNode, Node, ScalarNode } from '../../../src/manifest/read/node.ts';

/** Says `!reset` or `!override` in a plain value. */
class Tagged {
  readonly tag: 'reset' | 'override';
  readonly value: unknown;
  constructor(tag: 'reset' | 'override', value: unknown) {
    this.tag = tag;
    this.value = value;
  }
}

const reset = new Tagged('reset', null);
const override = (value: unknown): Tagged => new Tagged('override', value);

/** A tree from a plain value; every place carries the name of the file. */
function tree(value: unknown, file = 'base.yaml'): Node {
  const place = { file, line: 1, column: 1 };
  if (value instanceof Tagged) return { ...tree(value.value, file), tag: value.tag };
  if (Array.isArray(value)) return { kind: 'list', place, items: value.map((item) => tree(item, file)) };
  if (typeof value === 'object' && value !== null) {
    const entries = new Map<string, MapEntry>();
    for (const [key, item] of Object.entries(value)) {
      entries.set(key, { key, keyPlace: place, value: tree(item, file) });
    }
    return { kind: 'map', place, entries };
  }
  return { kind: 'scalar', place, value: value as ScalarNode['value'] };
}

function map(value: Record<string, unknown>, file?: string): MapNode {
  const node = tree(value, file);
  if (node.kind !== 'map') throw new Error('not a map');
  return node;
}

/** Maps become arrays of pairs, so that the order of keys counts, where `ordered`. */
function plain(node: Node, ordered = false): unknown {
  if (node.kind === 'scalar') return node.text ?? node.value;
  if (node.kind === 'list') return node.items.map((item) => plain(item, ordered));
  const pairs = [...node.entries.values()].map(({ key, value }) => [key, plain(value, ordered)] as const);
  return ordered ? pairs : Object.fromEntries(pairs);
}

function service(base: Record<string, unknown>, over: Record<string, unknown>): unknown {
  const merged = mergeManifests(
    tree({ services: { web: base } }),
    tree({ services: { web: over } }, 'over.yaml'),
  );
  const viaManifest = plain(settleTags(merged)) as { services: { web: unknown } };
  const direct = plain(settleTags(mergeService(map(base), map(over, 'over.yaml'))));
  expect(direct).toEqual(viaManifest.services.web);
  return direct;
}

describe('rules for the keys of a service', () => {
  it.each([
    ['a scalar is replaced', { restart: 'never' }, { restart: 'always' }, { restart: 'always' }],
    [
      'maps merge deep',
      { stop: { signal: 'SIGINT', grace: '5s' } },
      { stop: { grace: '1s' } },
      { stop: { signal: 'SIGINT', grace: '1s' } },
    ],
    ['command lists are replaced', { command: ['a', 'b'] }, { command: ['c'] }, { command: ['c'] }],
    ['a command string replaces a list', { command: ['a', 'b'] }, { command: 'c' }, { command: 'c' }],
    ['entrypoint is replaced', { entrypoint: ['a'] }, { entrypoint: ['b'] }, { entrypoint: ['b'] }],
    ['shell is replaced', { shell: ['bash', '-c'] }, { shell: ['zsh', '-c'] }, { shell: ['zsh', '-c'] }],
    [
      'the stop command is replaced',
      { stop: { command: ['a'] } },
      { stop: { command: ['b'] } },
      { stop: { command: ['b'] } },
    ],
    [
      'hooks merge, their commands are replaced',
      { hooks: { pre_start: ['a'], post_stop: ['x'] } },
      { hooks: { pre_start: ['b'] } },
      { hooks: { pre_start: ['b'], post_stop: ['x'] } },
    ],
    [
      'long hooks merge deep',
      { hooks: { pre_start: { command: ['a'], timeout: '1s' } } },
      { hooks: { pre_start: { command: ['b'] } } },
      { hooks: { pre_start: { command: ['b'], timeout: '1s' } } },
    ],
    [
      'probe commands are replaced',
      { ready: { exec: ['a'], interval: '1s' } },
      { ready: { exec: ['b'] } },
      { ready: { exec: ['b'], interval: '1s' } },
    ],
    [
      'another check of a probe replaces the earlier one, its timings stay',
      { ready: { http: { port: 'http', path: '/h' }, interval: '1s' } },
      { ready: { tcp: 80, retries: 5 } },
      { ready: { tcp: 80, interval: '1s', retries: 5 } },
    ],
    [
      'the same check of a probe merges',
      { live: { http: { port: 'http', path: '/h', headers: { A: 'a', B: 'b' }, status: [200] } } },
      { live: { http: { path: '/i', headers: { B: 'c' }, status: ['2xx', 301] } } },
      { live: { http: { port: 'http', path: '/i', headers: { A: 'a', B: 'c' }, status: ['2xx', 301] } } },
    ],
    [
      'a whole URL replaces its parts',
      { ready: { http: { port: 1, path: '/a', host: 'h', scheme: 'https', method: 'HEAD' } } },
      { ready: { http: { url: 'http://b/' } } },
      { ready: { http: { url: 'http://b/', method: 'HEAD' } } },
    ],
    [
      'a port replaces a whole URL',
      { ready: { http: { url: 'http://b/', method: 'HEAD' } } },
      { ready: { http: { port: 1, path: '/a' } } },
      { ready: { http: { port: 1, path: '/a', method: 'HEAD' } } },
    ],
    [
      'a short check replaces a long one of its kind',
      { ready: { http: { port: 1 }, success: 2 } },
      { ready: { http: 'http://b/' } },
      { ready: { http: 'http://b/', success: 2 } },
    ],
    [
      'a check that is taken back leaves the timings',
      { ready: { tcp: 1, interval: '1s' } },
      { ready: { tcp: reset } },
      { ready: { interval: '1s' } },
    ],
    [
      'a restart policy merges into its map',
      { restart: { policy: 'always', max_restarts: 5, on_codes: [1, 2] } },
      { restart: 'never' },
      { restart: { policy: 'never', max_restarts: 5, on_codes: [1, 2] } },
    ],
    [
      'a map of restart settings meets a policy, lists of codes are replaced',
      { restart: 'always' },
      { restart: { window: '1m', on_codes: [3] } },
      { restart: { policy: 'always', window: '1m', on_codes: [3] } },
    ],
    [
      'exit codes are replaced',
      { restart: { success_exit_codes: [0, 1], on_codes: [1] } },
      { restart: { success_exit_codes: [0], on_codes: [2, 3] } },
      { restart: { success_exit_codes: [0], on_codes: [2, 3] } },
    ],
    [
      'a cron expression meets a map',
      { schedule: { cron: 'a', timezone: 'UTC', overlap: 'skip' } },
      { schedule: 'b' },
      { schedule: { cron: 'b', timezone: 'UTC', overlap: 'skip' } },
    ],
    [
      'an interval replaces a cron expression and its time zone',
      { schedule: { cron: 'a', timezone: 'UTC', overlap: 'skip' } },
      { schedule: { every: '1m' } },
      { schedule: { every: '1m', overlap: 'skip' } },
    ],
    [
      'a cron expression replaces an interval',
      { schedule: { every: '1m', missed: 'run' } },
      { schedule: 'a' },
      { schedule: { cron: 'a', missed: 'run' } },
    ],
    ['a path to watch joins another', { watch: './a' }, { watch: ['./b', 'a'] }, { watch: ['a', './b'] }],
    [
      'a watched path meets a map',
      { watch: './a' },
      { watch: { paths: ['./b'], debounce: '1s' } },
      { watch: { paths: ['./a', './b'], debounce: '1s' } },
    ],
    [
      'a map of what to watch meets a list',
      { watch: { paths: './a', ignore: ['x'], action: { signal: 'SIGHUP' } } },
      { watch: ['./b'] },
      { watch: { paths: ['./a', './b'], ignore: ['x'], action: { signal: 'SIGHUP' } } },
    ],
    [
      'ignored patterns unite, an action is replaced',
      { watch: { paths: 'a', ignore: ['x', 'y'], action: { signal: 'SIGHUP' } } },
      { watch: { ignore: ['y', 'z'], action: 'restart' } },
      { watch: { paths: 'a', ignore: ['x', 'y', 'z'], action: 'restart' } },
    ],
    [
      'log settings and limits merge by key',
      { log: { keep: 1, stderr: 'merge' }, limits: { memory: '1g' } },
      { log: { keep: 2 }, limits: { cpus: 1 } },
      { log: { keep: 2, stderr: 'merge' }, limits: { memory: '1g', cpus: 1 } },
    ],
    ['nothing for stdin replaces a pipe', { stdin: 'pipe' }, { stdin: null }, { stdin: null }],
    [
      'env maps merge by key',
      { env: { A: '1', B: '2' } },
      { env: { B: '3', C: null } },
      { env: { A: '1', B: '3', C: null } },
    ],
    [
      'env lists merge by key in place',
      { env: ['A=1', 'B=2'] },
      { env: ['C=3', 'A=4'] },
      { env: ['A=4', 'B=2', 'C=3'] },
    ],
    [
      'a null of env passes the host value on again',
      { env: { A: '1' } },
      { env: { A: null } },
      { env: { A: null } },
    ],
    [
      'an env list under a map becomes a map',
      { env: ['A=1', 'B', 'C='] },
      { env: { A: 2 } },
      { env: { A: 2, B: null, C: '' } },
    ],
    ['an env list over a map becomes a map', { env: { A: 1 } }, { env: ['A=x=y'] }, { env: { A: 'x=y' } }],
    [
      'a malformed env entry survives in list form',
      { env: ['=oops', 'A=1'] },
      { env: { A: 2, B: null } },
      { env: ['=oops', 'A=2', 'B'] },
    ],
    [
      'labels merge by key in both forms',
      { labels: ['tier=web', 'x=1'] },
      { labels: { tier: 'db' } },
      { labels: { tier: 'db', x: '1' } },
    ],
    [
      'ports merge by name',
      { ports: { http: 80, admin: 81 } },
      { ports: { http: 8080 } },
      { ports: { http: 8080, admin: 81 } },
    ],
    [
      'listed ports merge by container port',
      { ports: [3000, '8080:80', '53:53/udp'] },
      { ports: ['9090:80', '3000:3000', 53] },
      { ports: ['3000:3000', '9090:80', '53:53/udp', 53] },
    ],
    [
      'long listed ports merge by target',
      { ports: [{ target: 80, published: 1 }] },
      { ports: [{ target: 80, published: 2 }, '81'] },
      { ports: [{ target: 80, published: 2 }, '81'] },
    ],
    [
      'a protocol is the same in whatever letters',
      { ports: ['53:53/udp', '54:54'] },
      { ports: ['5300:53/UDP'] },
      { ports: ['5300:53/UDP', '54:54'] },
    ],
    [
      'one port of a range is replaced, the others stay',
      { ports: ['8080-8082:80-82', '127.0.0.1:7000-7001:70-71/udp'] },
      { ports: ['9090:81', '71/udp', 'auto:83'] },
      { ports: ['8080:80', '9090:81', '8082:82', '127.0.0.1:7000:70/udp', '71/udp', 'auto:83'] },
    ],
    [
      'a range replaces single ports and what it is beyond them is added',
      { ports: ['1:80', { target: 82, published: 5 }, 7] },
      { ports: ['8080-8082:80-82'] },
      { ports: ['8080:80', '8082:82', 7, '8081:81'] },
    ],
    [
      'a port that is published twice stays so',
      { ports: [80] },
      { ports: ['127.0.0.1:8080:80', '10.0.0.1:8080:80'] },
      { ports: ['127.0.0.1:8080:80', '10.0.0.1:8080:80'] },
    ],
    [
      'a listed port is the named one of the same number',
      { ports: { http: '8080:80', dns: '53:53/udp' } },
      { ports: ['9090:80', '5300:53/UDP', { target: 81, name: 'admin' }] },
      { ports: { http: '9090:80', dns: '5300:53/UDP', admin: { target: 81 } } },
    ],
    [
      'a named port is the listed one of the same number, and gives it its name',
      { ports: ['8080-8081:80-81', '53/udp'] },
      { ports: { http: '9090:80' } },
      {
        ports: {
          http: '9090:80',
          '81': '8081:81',
          '53-udp': { target: 53, protocol: 'udp' },
        },
      },
    ],
    [
      'listed ports meet named ones',
      { ports: [3000, '81:81', '9:82'] },
      { ports: { http: 80 } },
      { ports: { '3000': { target: 3000 }, '81': 81, '82': '9:82', http: 80 } },
    ],
    [
      'mounts merge by target',
      { mounts: ['./a:/data', './b:/conf:ro'] },
      { mounts: [{ type: 'tmpfs', target: '/data' }, './c:/new'] },
      { mounts: [{ type: 'tmpfs', target: '/data' }, './b:/conf:ro', './c:/new'] },
    ],
    [
      'mounts at one target with and without a slash are one',
      { mounts: ['./a:/data/'] },
      { mounts: ['./b:/data'] },
      { mounts: ['./b:/data'] },
    ],
    [
      'secrets unite by name and variable',
      { secrets: ['a', { source: 'a', env: 'A' }] },
      { secrets: [{ source: 'a' }, { source: 'a', env: 'B' }, { source: 'a', env: 'A' }] },
      { secrets: [{ source: 'a' }, { source: 'a', env: 'A' }, { source: 'a', env: 'B' }] },
    ],
    [
      'docker merges deep, its lists append what is new',
      { docker: { cap_add: ['A'], networks: ['n'], labels: { a: '1' }, pull: 'always', entrypoint: ['a'] } },
      { docker: { cap_add: ['B', 'A'], networks: ['m'], labels: ['a=2'], init: true, entrypoint: ['b'] } },
      {
        docker: {
          cap_add: ['A', 'B'],
          networks: ['n', 'm'],
          labels: { a: '2' },
          pull: 'always',
          entrypoint: ['b'],
          init: true,
        },
      },
    ],
    [
      'extra hosts merge by name in both forms',
      { docker: { extra_hosts: ['a:1.1.1.1', 'b=2.2.2.2'] } },
      { docker: { extra_hosts: { a: '3.3.3.3', c: 'host-gateway' } } },
      { docker: { extra_hosts: { a: '3.3.3.3', b: '2.2.2.2', c: 'host-gateway' } } },
    ],
    [
      'extra hosts in lists merge by name',
      { docker: { extra_hosts: ['a:1.1.1.1', 'b:2.2.2.2'] } },
      { docker: { extra_hosts: ['b=3.3.3.3'] } },
      { docker: { extra_hosts: ['a:1.1.1.1', 'b=3.3.3.3'] } },
    ],
    [
      'a folder to build is its context where it meets a map',
      { build: './a' },
      { build: { args: ['A=1'] } },
      { build: { context: './a', args: ['A=1'] } },
    ],
    [
      'a map to build keeps what a folder does not say',
      { build: { context: './a', args: ['A=1'], tags: ['x'] } },
      { build: './b' },
      { build: { context: './b', args: ['A=1'], tags: ['x'] } },
    ],
    [
      'build arguments merge by name in both forms, tags append what is new',
      { build: { args: ['A=1', 'B=1'], tags: ['x'] } },
      { build: { args: { A: '2' }, tags: ['x', 'y'] } },
      { build: { args: { A: '2', B: '1' }, tags: ['x', 'y'] } },
    ],
    ['entrypoint is replaced', { entrypoint: ['a', 'b'] }, { entrypoint: ['c'] }, { entrypoint: ['c'] }],
    [
      'the test of a healthcheck is replaced, its times stay',
      { docker: { healthcheck: { test: ['CMD', 'a'], interval: '1s' } } },
      { docker: { healthcheck: { test: ['CMD', 'b'] } } },
      { docker: { healthcheck: { test: ['CMD', 'b'], interval: '1s' } } },
    ],
    [
      'backend_order is replaced',
      { backend_order: ['docker', 'native'] },
      { backend_order: ['native'] },
      { backend_order: ['native'] },
    ],
    [
      '`sandbox: true` over a map takes nothing of it back',
      { sandbox: { network: false } },
      { sandbox: true },
      { sandbox: { network: false } },
    ],
    [
      'a map over `sandbox: true` is the sandbox',
      { sandbox: true },
      { sandbox: { network: false } },
      { sandbox: { network: false } },
    ],
    [
      '`sandbox: false` switches it off',
      { sandbox: { read: ['a'] } },
      { sandbox: false },
      { sandbox: false },
    ],
    [
      'folders of a sandbox unite by path',
      { sandbox: { read: './a', write: ['./c'] } },
      { sandbox: { read: ['./a', './b'] } },
      { sandbox: { read: ['./a', './b'], write: ['./c'] } },
    ],
    [
      'a healthcheck replaces another check, the times stay',
      { ready: { tcp: 1, interval: '1s' } },
      { ready: 'healthcheck' },
      { ready: { healthcheck: true, interval: '1s' } },
    ],
    [
      'another check replaces a healthcheck',
      { ready: 'healthcheck' },
      { ready: { tcp: 1 } },
      { ready: { tcp: 1 } },
    ],
    [
      'times alone leave a healthcheck as it is',
      { ready: 'healthcheck' },
      { ready: { interval: '1s' } },
      { ready: { healthcheck: true, interval: '1s' } },
    ],
    [
      '!override and !reset act within docker as anywhere',
      { docker: { networks: ['a'], cap_drop: ['ALL'], pull: 'always' }, mounts: ['a:/a'] },
      { docker: { networks: override(['b']), cap_drop: reset }, mounts: override(['b:/b']) },
      { docker: { networks: ['b'], pull: 'always' }, mounts: ['b:/b'] },
    ],
    [
      'depends_on lists unite',
      { depends_on: ['db', 'cache'] },
      { depends_on: ['db', 'queue'] },
      { depends_on: ['db', 'cache', 'queue'] },
    ],
    [
      'depends_on maps merge',
      { depends_on: { db: 'started' } },
      { depends_on: { db: 'completed', q: 'started' } },
      { depends_on: { db: 'completed', q: 'started' } },
    ],
    [
      'a depends_on list meets a map',
      { depends_on: ['db', 'cache'] },
      { depends_on: { db: 'completed' } },
      { depends_on: { db: 'completed', cache: 'started' } },
    ],
    [
      'a depends_on map meets a list',
      { depends_on: { db: 'completed' } },
      { depends_on: ['db', 'q'] },
      { depends_on: { db: 'started', q: 'started' } },
    ],
    [
      'short and long conditions meet',
      { depends_on: { db: { condition: 'started', timeout: '5s' }, q: 'started' } },
      { depends_on: { db: 'completed', q: { timeout: '1s' } } },
      {
        depends_on: {
          db: { condition: 'completed', timeout: '5s' },
          q: { condition: 'started', timeout: '1s' },
        },
      },
    ],
    [
      'env_file appends across its forms, once per path',
      { env_file: 'a.env' },
      { env_file: ['b.env', { path: 'a.env', required: false }] },
      { env_file: [{ path: 'a.env', required: false }, 'b.env'] },
    ],
    [
      'two single env files become a list',
      { env_file: 'a.env' },
      { env_file: 'b.env' },
      { env_file: ['a.env', 'b.env'] },
    ],
    [
      'requires and profiles append what is new',
      { requires: ['git', 'node'], profiles: ['dev'] },
      { requires: ['node', 'curl', 'curl'], profiles: ['dev', 'ci'] },
      { requires: ['git', 'node', 'curl'], profiles: ['dev', 'ci'] },
    ],
    [
      'a list of inherited names gives way to a boolean',
      { inherit_env: ['A'] },
      { inherit_env: false },
      { inherit_env: false },
    ],
    [
      'other lists append',
      { path: ['./bin'] },
      { path: ['./bin', './tools'] },
      { path: ['./bin', './bin', './tools'] },
    ],
    ['unlike kinds are replaced', { stop: ['odd'] }, { stop: { grace: '1s' } }, { stop: { grace: '1s' } }],
    [
      'an empty section changes nothing',
      { env: { A: '1' }, path: ['a'] },
      { env: null, path: null },
      { env: { A: '1' }, path: ['a'] },
    ],
    ['an empty scalar replaces a scalar', { description: 'x' }, { description: null }, { description: null }],
    [
      '!reset takes a key out',
      { env: { A: '1', B: '2' }, restart: 'never' },
      { env: { A: reset }, restart: reset },
      { env: { B: '2' } },
    ],
    ['!reset of what is not there does nothing', { restart: 'never' }, { path: reset }, { restart: 'never' }],
    [
      '!override replaces the whole',
      { env: { A: '1' }, path: ['a'] },
      { env: override({ B: '2' }), path: override(['b']) },
      { env: { B: '2' }, path: ['b'] },
    ],
    [
      'x- keys merge like any',
      { 'x-a': { b: [1], c: 2 } },
      { 'x-a': { b: [2], d: 3 } },
      { 'x-a': { b: [1, 2], c: 2, d: 3 } },
    ],
  ])('%s', (_rule, base, over, expected) => {
    expect(service(base, over)).toEqual(expected);
  });
});

describe('mergeManifests', () => {
  const merge = (...values: unknown[]): unknown =>
    plain(settleTags(values.map((value) => tree(value)).reduce(mergeManifests)), true);

  it('keeps the order of the base and appends what is new', () => {
    expect(
      merge(
        { name: 'a', services: { b: {}, a: {} } },
        { services: { c: {}, a: { cwd: '.' } }, env: ['A=1'] },
      ),
    ).toEqual([
      ['name', 'a'],
      [
        'services',
        [
          ['b', []],
          ['a', [['cwd', '.']]],
          ['c', []],
        ],
      ],
      ['env', ['A=1']],
    ]);
  });

  it('merges the keys beside the services by their rules', () => {
    expect(
      merge(
        { env: ['A=1'], redact: ['X'], env_file: '.env', include: 'a.yaml', defaults: { command: ['a'] } },
        {
          env: { A: '2' },
          redact: ['X', 'Y'],
          env_file: 'b',
          include: ['b.yaml'],
          defaults: { command: ['b'] },
        },
      ),
    ).toEqual([
      ['env', [['A', '2']]],
      ['redact', ['X', 'Y']],
      ['env_file', ['.env', 'b']],
      ['include', ['a.yaml', 'b.yaml']],
      ['defaults', [['command', ['b']]]],
    ]);
  });

  it('merges volumes and networks deep, and lets one source of a secret replace the other', () => {
    expect(
      merge(
        {
          volumes: { a: { labels: ['x=1'], driver: 'local' }, b: {} },
          networks: { n: { internal: true } },
          secrets: { s: { file: 'a' }, t: { env: 'T' } },
        },
        {
          volumes: { a: { labels: { x: '2' } }, c: {} },
          networks: { n: { name: 'm' } },
          secrets: { s: { env: 'S' } },
        },
      ),
    ).toEqual([
      [
        'volumes',
        [
          [
            'a',
            [
              ['labels', [['x', '2']]],
              ['driver', 'local'],
            ],
          ],
          ['b', []],
          ['c', []],
        ],
      ],
      [
        'networks',
        [
          [
            'n',
            [
              ['internal', true],
              ['name', 'm'],
            ],
          ],
        ],
      ],
      [
        'secrets',
        [
          ['s', [['env', 'S']]],
          ['t', [['env', 'T']]],
        ],
      ],
    ]);
  });

  it('takes relative paths of manifests in different folders for different files', () => {
    const files = (base: string, over: string): unknown => {
      const env_file = ['.env', '/etc/env'];
      return plain(
        mergeManifests(tree({ env_file: ['./.env', '/etc/env'] }, base), tree({ env_file }, over)),
      );
    };
    expect(files('/p/a.yaml', '/p/b.yaml')).toEqual({ env_file: ['.env', '/etc/env'] });
    expect(files('/p/a.yaml', '/q/b.yaml')).toEqual({ env_file: ['./.env', '/etc/env', '.env'] });
  });

  it('applies no rule of a service outside of services', () => {
    expect(merge({ 'x-a': { command: ['a'] } }, { 'x-a': { command: ['b'] } })).toEqual([
      ['x-a', [['command', ['a', 'b']]]],
    ]);
  });

  it('resets a whole service, and one that comes back later starts from nothing', () => {
    const first = { services: { web: { command: 'a', env: { A: '1' } }, db: {} } };
    const second = { services: { web: reset } };
    expect(merge(first, second)).toEqual([['services', [['db', []]]]]);
    expect(merge(first, second, { services: { web: { command: 'b' } } })).toEqual([
      [
        'services',
        [
          ['web', [['command', 'b']]],
          ['db', []],
        ],
      ],
    ]);
  });

  it('lets a tag of one file act on the defaults that go below later', () => {
    const manifest = mergeManifests(
      tree({ services: { web: { env: { A: '1' }, path: ['a'] } } }),
      tree({ services: { web: { restart: reset, path: override(['b']) } } }),
    );
    const web = manifest.kind === 'map' ? manifest.entries.get('services')?.value : undefined;
    const node = web?.kind === 'map' ? web.entries.get('web')?.value : undefined;
    const defaults = map({ restart: 'always', path: ['z'], env: { B: '2' } });
    expect(node?.kind === 'map' && plain(settleTags(mergeService(defaults, node)))).toEqual({
      path: ['b'],
      env: { A: '1', B: '2' },
    });
  });

  it('keeps the place of each value where it was said last', () => {
    const merged = mergeService(
      map({ cwd: '/a', env: ['A=1', 'B=2'], path: ['x'] }),
      map({ cwd: '/b', env: { B: '3' }, path: ['y'] }, 'over.yaml'),
    );
    const files: Record<string, string> = {};
    const walk = (node: Node, at: string): void => {
      files[at] = node.place.file;
      if (node.kind === 'list')
        for (const [index, item] of node.items.entries()) walk(item, `${at}/${index}`);
      if (node.kind === 'map') {
        for (const { key, keyPlace, value } of node.entries.values()) {
          files[`${at}/${key}:key`] = keyPlace.file;
          walk(value, `${at}/${key}`);
        }
      }
    };
    walk(merged, '');
    expect(files).toEqual({
      '': 'base.yaml',
      '/cwd:key': 'over.yaml',
      '/cwd': 'over.yaml',
      '/env:key': 'base.yaml',
      '/env': 'base.yaml',
      '/env/A:key': 'base.yaml',
      '/env/A': 'base.yaml',
      '/env/B:key': 'over.yaml',
      '/env/B': 'over.yaml',
      '/path:key': 'base.yaml',
      '/path': 'base.yaml',
      '/path/0': 'base.yaml',
      '/path/1': 'over.yaml',
    });
  });

  it('keeps late references when an env list becomes a map, and back', () => {
    const port = { ref: 'port', service: 'db', port: 'http' } as const;
    const late = (text: ScalarNode['text']): ScalarNode => ({
      kind: 'scalar',
      place: { file: 'base.yaml', line: 1, column: 1 },
      value: '',
      ...(text === undefined ? {} : { text }),
    });
    const listed = (...items: Node[]): MapNode => {
      const env: Node = { kind: 'list', place: { file: 'base.yaml', line: 1, column: 1 }, items };
      return { ...map({}), entries: new Map([['env', { key: 'env', keyPlace: env.place, value: env }]]) };
    };
    const toMap = mergeService(
      listed(late(['URL=http://', port]), late(['PORT=', port])),
      map({ env: { A: '1' } }),
    );
    expect(plain(toMap)).toEqual({ env: { URL: ['http://', port], PORT: [port], A: '1' } });
    const malformed = listed(late([port, '=x']));
    const toList = mergeService(malformed, mergeService(map({ env: {} }), toMap));
    expect(plain(toList)).toEqual({ env: [[port, '=x'], ['URL=http://', port], ['PORT=', port], 'A=1'] });
  });

  it('never changes what it is given', () => {
    const base = tree({ services: { web: { env: { A: '1' }, path: ['a'] } } });
    const over = tree({ services: { web: { env: { A: '2' }, path: ['b'] } } });
    const before = [plain(base), plain(over)];
    mergeManifests(base, over);
    expect([plain(base), plain(over)]).toEqual(before);
  });
});

describe('settleTags', () => {
  it('takes out what is reset, at any depth, and drops other tags', () => {
    const node = tree({ a: reset, b: override({ c: [1, reset, override([2])], d: reset }), e: 1 });
    expect(settleTags(node)).toEqual(tree({ b: { c: [1, [2]] }, e: 1 }));
  });

  it('gives back the same object where there is no tag', () => {
    const node = tree({ a: { b: [1, { c: null }] } });
    expect(settleTags(node)).toBe(node);
  });
});

describe('properties', () => {
  const scalar = fc.constantFrom('x', 'y', 1, true);
  const name = fc.constantFrom('a', 'b', 'c');
  const tagged = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
    fc.oneof(
      { weight: 6, arbitrary: of },
      { weight: 1, arbitrary: fc.constant(reset) },
      { weight: 1, arbitrary: of.map(override) },
    );
  const env = fc.dictionary(name, tagged(fc.oneof(scalar, fc.constant(null))), { maxKeys: 3 });
  const names = fc.uniqueArray(name, { maxLength: 3 });
  const web = (
    of: <T>(value: fc.Arbitrary<T>) => fc.Arbitrary<unknown>,
  ): fc.Arbitrary<Record<string, unknown>> =>
    fc.record(
      {
        restart: of(scalar),
        command: of(fc.oneof(scalar, fc.array(scalar, { maxLength: 2 }))),
        env: of(env),
        requires: of(names),
        path: of(fc.array(scalar, { maxLength: 2 })),
        ports: of(fc.dictionary(name, of(scalar), { maxKeys: 3 })),
        depends_on: of(
          fc.dictionary(name, fc.oneof(scalar, fc.record({ condition: scalar, timeout: scalar })), {
            maxKeys: 3,
          }),
        ),
        hooks: of(fc.record({ pre_start: fc.array(scalar, { maxLength: 2 }) }, { requiredKeys: [] })),
      },
      { requiredKeys: [] },
    );
  const manifest = fc.record(
    { services: tagged(fc.dictionary(name, tagged(web(tagged)), { maxKeys: 3 })), env: tagged(env) },
    { requiredKeys: [] },
  );

  it('merging with an empty manifest on either side changes nothing', () => {
    fc.assert(
      fc.property(manifest, (value) => {
        const node = tree(value);
        expect(mergeManifests(node, tree({}))).toBe(node);
        expect(mergeManifests(tree({}), node)).toEqual(node);
      }),
    );
  });

  it('the grouping of files does not matter to what says one of several things', () => {
    const http = fc.oneof(
      fc.record({ url: scalar }),
      fc.record(
        {
          port: scalar,
          path: tagged(scalar),
          host: scalar,
          headers: fc.dictionary(name, scalar, { maxKeys: 2 }),
        },
        { requiredKeys: [] },
      ),
    );
    const check = fc.oneof(
      fc.record({ exec: scalar }),
      fc.record({ healthcheck: fc.constant(true) }),
      fc.record({ http }),
      fc.record({ tcp: fc.record({ host: scalar, port: scalar }, { requiredKeys: [] }) }),
      fc.constant({}),
    );
    const probe = fc
      .tuple(check, fc.record({ interval: scalar, retries: scalar }, { requiredKeys: [] }))
      .map(([what, timing]) => ({ ...timing, ...what }));
    const schedule = fc.oneof(
      fc.record({ cron: scalar, timezone: tagged(scalar) }, { requiredKeys: [] }),
      fc.record({ every: scalar, overlap: scalar }, { requiredKeys: [] }),
    );
    const some = fc.record(
      { ready: tagged(probe), schedule: tagged(schedule), restart: tagged(fc.record({ policy: scalar })) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(some, some, some, (a, b, c) => {
        const left = mergeService(mergeService(map(a), map(b)), map(c));
        const right = mergeService(map(a), mergeService(map(b), map(c)));
        expect(plain(settleTags(left))).toEqual(plain(settleTags(right)));
      }),
      { numRuns: 2_000 },
    );
  });

  it('the right-most scalar wins', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ restart: scalar }), { minLength: 1, maxLength: 5 }), (values) => {
        const merged = values.map((value) => map(value)).reduce(mergeService);
        expect(plain(merged)).toEqual(values.at(-1));
      }),
    );
  });

  it('merging a list of lists of requirements gives their union in order', () => {
    fc.assert(
      fc.property(fc.array(names, { minLength: 1, maxLength: 4 }), (lists) => {
        const merged = lists.map((requires) => map({ requires })).reduce(mergeService);
        expect(plain(merged)).toEqual({ requires: [...new Set(lists.flat())] });
      }),
    );
  });

  it('the grouping of files does not matter, tags included', () => {
    fc.assert(
      fc.property(manifest, manifest, manifest, (a, b, c) => {
        const left = mergeManifests(mergeManifests(tree(a), tree(b)), tree(c));
        const right = mergeManifests(tree(a), mergeManifests(tree(b), tree(c)));
        expect(plain(settleTags(left), true)).toEqual(plain(settleTags(right), true));
      }),
      { numRuns: 500 },
    );
  });
});
