/** One edit for every key of the manifest's schema, and what it is to do. */

type Body = Readonly<Record<string, unknown>>;

/** What becomes of an instance that runs: of `start` another one comes, `none` says that there is nothing to do. */
export type EditEffect = 'replace' | 'update' | 'start' | 'none';

export interface Edit {
  /** Of the schema, lists and names of entries left out: `ready.http.url`. */
  readonly key: string;
  /** What the service `x` has besides `base`, or what stands at the top where `top` is set. */
  readonly before: Body;
  readonly after: Body;
  readonly effect: EditEffect;
  /** Fields that the plan must name, exactly. */
  readonly fields: readonly string[];
  readonly base: Body;
  readonly top?: true;
  /** Why it cannot be tried on real processes of every machine. */
  readonly notReal?: string;
}

/** Two names of an image with a shell and the usual programs. */
export const IMAGES = ['setpoint-test/busybox:1', 'setpoint-test/busybox:2'] as const;

const NATIVE: Body = { command: ['sleep', '1000'] };
const CONTAINER: Body = { image: IMAGES[0], command: ['sleep', '1000'] };
const SHELL: Body = { backend: 'nix', command: ['sleep', '1000'] };

type More = Partial<Pick<Edit, 'base' | 'top' | 'notReal'>>;

function row(
  key: string,
  before: Body,
  after: Body,
  effect: EditEffect,
  fields: string | readonly string[] = [],
  more: More = {},
): Edit {
  return { key, before, after, effect, fields: [fields].flat(), base: NATIVE, ...more };
}

/** A key below `at` whose value alone changes; the field has the key's name unless it is given. */
function below(
  at: string,
  key: string,
  [from, to]: readonly [unknown, unknown],
  effect: EditEffect,
  { beside = {}, field, ...more }: More & { readonly beside?: Body; readonly field?: string } = {},
): Edit {
  const path = at === '' ? [] : at.split('.');
  const body = (value: unknown): Body =>
    path.reduceRight<Body>((inner, name) => ({ [name]: inner }), {
      ...beside,
      ...(value === undefined ? {} : { [key]: value }),
    });
  const name = [...path, key].join('.');
  return row(name, body(from), body(to), effect, effect === 'none' ? [] : (field ?? name), more);
}

/** Tried on an engine, where there is one. */
export const ON_ENGINE = 'needs an engine';

/** Tried where there is bubblewrap. */
export const IN_SANDBOX = 'needs bubblewrap';

const container: More = { base: CONTAINER, notReal: ON_ENGINE };
const shell: More = { base: SHELL, notReal: 'needs nix' };
const enclosed: More = { notReal: IN_SANDBOX };
const built: More = { base: { command: ['sleep', '1000'] }, notReal: ON_ENGINE };
const grouped: More = { notReal: 'needs a control group' };

function probe(at: 'ready' | 'live'): readonly Edit[] {
  // What fails during the start period counts for nothing, so nothing is ended while the edit is tried.
  const quiet = { interval: '1h', start_period: '1h' };
  const of = (check: Body, more: Body = {}): Body => ({ [at]: { ...check, ...quiet, ...more } });
  const url = 'http://127.0.0.1:9/';
  const http = (from: Body, to: Body, key: string, field: string): Edit =>
    row(`${at}.http.${key}`, of({ http: from }), of({ http: to }), 'update', `${at}.${field}`);
  const timing = (key: string, from: unknown, to: unknown): Edit =>
    row(
      `${at}.${key}`,
      of({ exec: ['true'] }, { [key]: from }),
      of({ exec: ['true'] }, { [key]: to }),
      'update',
      `${at}.${key}`,
    );
  return [
    row(at, of({ exec: ['true'] }), of({ exec: ['true', 'x'] }), 'update', `${at}.exec`),
    row(`${at}.exec`, of({ exec: ['true'] }), of({ exec: ['true', 'x'] }), 'update', `${at}.exec`),
    row(`${at}.http`, of({ http: url }), of({ http: `${url}x` }), 'update', `${at}.http`),
    http({ url }, { url: `${url}x` }, 'url', 'http'),
    http({ port: 9 }, { port: 10 }, 'port', 'http'),
    http({ port: 9, path: '/a' }, { port: 9, path: '/b' }, 'path', 'http'),
    http({ port: 9, host: '127.0.0.1' }, { port: 9, host: '127.0.0.2' }, 'host', 'http'),
    http({ port: 9, scheme: 'http' }, { port: 9, scheme: 'https' }, 'scheme', 'http'),
    http({ port: 9, method: 'GET' }, { port: 9, method: 'HEAD' }, 'method', 'http'),
    http({ port: 9, headers: { A: '1' } }, { port: 9, headers: { A: '2' } }, 'headers', 'http.headers.A'),
    http({ port: 9, status: 200 }, { port: 9, status: '2xx' }, 'status', 'http.status'),
    row(`${at}.tcp`, of({ tcp: 9 }), of({ tcp: 10 }), 'update', `${at}.tcp`),
    row(`${at}.tcp.port`, of({ tcp: { port: 9 } }), of({ tcp: { port: 10 } }), 'update', `${at}.tcp`),
    row(
      `${at}.tcp.host`,
      of({ tcp: { port: 9, host: '127.0.0.1' } }),
      of({ tcp: { port: 9, host: '127.0.0.2' } }),
      'update',
      `${at}.tcp`,
    ),
    ...(at === 'live'
      ? []
      : [
          row('ready.log', { ready: { log: 'a' } }, { ready: { log: 'b' } }, 'update', 'ready.log'),
          row(
            'ready.log.pattern',
            { ready: { log: { pattern: 'a' } } },
            { ready: { log: { pattern: 'b' } } },
            'update',
            'ready.log',
          ),
          row(
            'ready.log.stream',
            { ready: { log: { pattern: 'a', stream: 'stdout' } } },
            { ready: { log: { pattern: 'a', stream: 'stderr' } } },
            'update',
            'ready.log.stream',
          ),
        ]),
    // The service is given a socket, or none.
    row(
      `${at}.notify`,
      of({ exec: ['true'] }),
      of({ notify: true }),
      'replace',
      at === 'live'
        ? ['notify', 'notify.watchdog', 'live.exec', 'live.notify']
        : ['notify', 'ready.exec', 'ready.interval', 'ready.notify', 'ready.start_period'],
      { notReal: 'needs a receiver of messages' },
    ),
    row(
      `${at}.healthcheck`,
      of({ tcp: 9 }),
      of({ healthcheck: true }),
      'update',
      [`${at}.health`, `${at}.interval`, `${at}.start_period`, `${at}.tcp`],
      container,
    ),
    timing('interval', '1h', '2h'),
    timing('timeout', '1s', '2s'),
    timing('retries', 3, 4),
    timing('start_period', '1h', '2h'),
    timing('success', 1, 2),
  ];
}

const depends = (of: unknown): Body => ({ depends_on: { other: of } });
const entry = (at: string, key: string, beside: Body, from: unknown, to: unknown): readonly [Body, Body] => [
  { [at]: [{ ...beside, [key]: from }] },
  { [at]: [{ ...beside, [key]: to }] },
];
const resource = (at: 'volumes' | 'networks', key: string, from: unknown, to: unknown, field: string): Edit =>
  row(
    `${at}.${key}`,
    {
      services: {
        x: {
          ...CONTAINER,
          ...(at === 'volumes' ? { mounts: ['v:/v'] } : { docker: { networks: ['v'] } }),
        },
      },
      [at]: { v: { [key]: from } },
    },
    {
      services: {
        x: {
          ...CONTAINER,
          ...(at === 'volumes' ? { mounts: ['v:/v'] } : { docker: { networks: ['v'] } }),
        },
      },
      [at]: { v: { [key]: to } },
    },
    'replace',
    field,
    { ...container, top: true },
  );
const oneService: Body = { services: { x: NATIVE } };
const top = (
  key: string,
  before: Body,
  after: Body,
  effect: EditEffect,
  fields: string | readonly string[] = [],
): Edit => row(key, before, after, effect, fields, { top: true });

export const EDITS: readonly Edit[] = [
  below('', 'description', ['a', 'b'], 'update'),
  row('labels', { labels: { team: 'a' } }, { labels: { team: 'b' } }, 'update', 'labels.team'),
  below('', 'backend', ['native', 'auto'], 'none'),
  below('', 'backend_order', [['native'], ['native', 'docker']], 'none'),
  below('', 'image', [IMAGES[0], IMAGES[1]], 'replace', { ...built, field: 'docker.image' }),
  ...build('build', 'docker.build'),
  row('command', { command: ['sleep', '999'] }, { command: ['sleep', '1000'] }, 'replace', 'command', {
    base: {},
  }),
  below('', 'entrypoint', [['env'], ['/bin/env']], 'replace', { ...container, field: 'docker.entrypoint' }),
  row(
    'shell',
    { command: 'exec sleep 1000', shell: '/bin/sh' },
    { command: 'exec sleep 1000', shell: ['/bin/sh', '-ec'] },
    'replace',
    'shell',
    { base: {} },
  ),
  below('', 'cwd', ['.', './sub'], 'replace'),
  row('env', { env: { A: '1' } }, { env: { A: '2' } }, 'replace', 'env.A'),
  row('env_file', { env_file: 'a.env' }, { env_file: 'b.env' }, 'replace', ['env.A', 'env.FROM_FILE']),
  row(
    'env_file.required',
    { env_file: { path: 'a.env', required: true } },
    { env_file: { path: 'a.env', required: false } },
    'none',
  ),
  row(
    'env_file.format',
    { env_file: { path: 'quoted.env', format: 'dotenv' } },
    { env_file: { path: 'quoted.env', format: 'raw' } },
    'replace',
    'env.QUOTED',
  ),
  ...(
    [
      ['value', 'a', 'b', 'env_append.V'],
      ['separator', ':', ';', 'env_append.V.separator'],
      ['prepend', false, true, 'env_append.V.prepend'],
    ] as const
  ).map(([key, from, to, field]) =>
    row(
      `env_append.${key}`,
      { env_append: { V: { value: 'a', [key]: from } } },
      { env_append: { V: { value: 'a', [key]: to } } },
      'replace',
      field,
    ),
  ),
  row(
    'env_append',
    { env_append: { V: { value: 'a' } } },
    { env_append: { V: { value: 'a' }, W: { value: 'b' } } },
    'replace',
    ['env_append.W', 'env_append.W.prepend', 'env_append.W.separator'],
  ),
  below('', 'inherit_env', [true, false], 'replace', {
    notReal: 'the tests find processes by their environment',
  }),
  below('', 'path', ['.', './sub'], 'replace'),
  below('', 'requires', [['sh'], ['sh', 'sleep']], 'update'),
  below('', 'mounts', [['./sub:/mnt'], ['./sub:/mnt:ro']], 'replace', { ...enclosed, field: 'mounts./mnt' }),
  row(
    'mounts.type',
    { mounts: [{ type: 'bind', source: './sub', target: '/v' }] },
    { mounts: [{ type: 'tmpfs', target: '/v' }] },
    'replace',
    'mounts./v',
    container,
  ),
  row(
    'mounts.source',
    ...entry('mounts', 'source', { type: 'bind', target: '/v' }, './sub', '.'),
    'replace',
    'mounts./v',
    container,
  ),
  row(
    'mounts.target',
    ...entry('mounts', 'target', { type: 'bind', source: './sub' }, '/v', '/w'),
    'replace',
    ['mounts./v', 'mounts./w'],
    container,
  ),
  row(
    'mounts.read_only',
    ...entry('mounts', 'read_only', { type: 'bind', source: './sub', target: '/v' }, false, true),
    'replace',
    'mounts./v',
    container,
  ),
  row(
    'mounts.optional',
    ...entry('mounts', 'optional', { type: 'bind', source: './sub', target: '/v' }, false, true),
    'replace',
    'mounts./v',
    container,
  ),
  row(
    'mounts.size',
    ...entry('mounts', 'size', { type: 'tmpfs', target: '/v' }, '1MiB', '2MiB'),
    'replace',
    'mounts./v',
    container,
  ),
  row(
    'mounts.mode',
    ...entry('mounts', 'mode', { type: 'tmpfs', target: '/v' }, '1777', '0700'),
    'replace',
    'mounts./v',
    container,
  ),
  row(
    'ports',
    { ports: { http: 'auto' } },
    { ports: { http: 'auto', other: 'auto' } },
    'replace',
    'ports.other',
  ),
  ...(
    [
      ['target', 80, 81, ['docker.ports.p', 'ports.p']],
      ['published', 18_080, 18_081, ['docker.ports.p', 'ports.p']],
      ['host_ip', '127.0.0.1', '127.0.0.2', ['docker.ports.p']],
      ['protocol', 'tcp', 'udp', ['docker.ports.p']],
    ] as const
  ).map(([key, from, to, fields]) =>
    row(
      `ports.${key}`,
      { ports: { p: { target: 80, published: 18_080, [key]: from } } },
      { ports: { p: { target: 80, published: 18_080, [key]: to } } },
      'replace',
      key === 'target' ? 'docker.ports.p' : fields,
      container,
    ),
  ),
  row(
    'ports.name',
    ...entry('ports', 'name', { target: 80, published: 18_080 }, 'a', 'b'),
    'replace',
    ['docker.ports.a', 'docker.ports.b', 'ports.a', 'ports.b'],
    container,
  ),
  below('', 'socket', ['./a.sock', './b.sock'], 'replace'),
  row('depends_on', {}, depends('started'), 'update', [
    'depends_on.other',
    'depends_on.other.on_failure',
    'depends_on.other.required',
  ]),
  row('depends_on.condition', depends('started'), depends('completed'), 'update', 'depends_on.other'),
  ...(
    [
      ['timeout', '1m', '2m'],
      ['on_failure', 'ignore', 'restart'],
      ['required', true, false],
    ] as const
  ).map(([key, from, to]) =>
    row(
      `depends_on.${key}`,
      depends({ condition: 'started', timeout: '1m', [key]: from }),
      depends({ condition: 'started', timeout: '1m', [key]: to }),
      'update',
      `depends_on.other.${key}`,
    ),
  ),
  row(
    'depends_on.pattern',
    depends({ condition: 'log', pattern: 'a' }),
    depends({ condition: 'log', pattern: 'b' }),
    'update',
    'depends_on.other.pattern',
    { notReal: 'nothing of it would ever run' },
  ),
  ...probe('ready'),
  ...probe('live'),
  below('', 'restart', ['never', 'always'], 'update'),
  below('restart', 'policy', ['never', 'always'], 'update', { field: 'restart' }),
  below('restart', 'max_restarts', [1, 2], 'update', { beside: { policy: 'always' } }),
  below('restart', 'window', ['1m', '2m'], 'update', { beside: { policy: 'always', max_restarts: 3 } }),
  below('restart', 'success_exit_codes', [[0], [0, 3]], 'update', { beside: { policy: 'on-failure' } }),
  below('restart', 'on_codes', [[1], [1, 2]], 'update', { beside: { policy: 'on-failure' } }),
  row('backoff', { backoff: { max: '1m' } }, { backoff: { max: '2m' } }, 'update', 'backoff.max'),
  below('backoff', 'initial', ['1s', '2s'], 'update'),
  below('backoff', 'max', ['1m', '2m'], 'update'),
  below('backoff', 'multiplier', [2, 3], 'update'),
  below('backoff', 'jitter', [0.1, 0.2], 'update'),
  below('backoff', 'reset_after', ['1m', '2m'], 'update'),
  row('stop', { stop: { grace: '1s' } }, { stop: { grace: '2s' } }, 'update', 'stop.grace'),
  below('stop', 'signal', ['SIGTERM', 'SIGINT'], 'update'),
  below('stop', 'grace', ['1s', '2s'], 'update'),
  below('stop', 'command', [['true'], ['true', 'x']], 'update'),
  below('stop', 'kill_tree', [true, false], 'update'),
  below('', 'rollback', [false, true], 'update'),
  below('', 'timeout', ['1h', '2h'], 'update'),
  below('', 'schedule', ['0 3 * * *', '0 4 * * *'], 'update'),
  below('schedule', 'cron', ['0 3 * * *', '0 4 * * *'], 'update', { field: 'schedule' }),
  below('schedule', 'every', ['1h', '2h'], 'update', { field: 'schedule' }),
  below('schedule', 'timezone', ['UTC', 'Europe/Berlin'], 'update', { beside: { cron: '0 3 * * *' } }),
  below('schedule', 'overlap', ['skip', 'queue'], 'update', { beside: { cron: '0 3 * * *' } }),
  below('schedule', 'on_start', [false, true], 'update', { beside: { cron: '0 3 * * *' } }),
  below('schedule', 'missed', ['skip', 'run'], 'update', { beside: { cron: '0 3 * * *' } }),
  below('', 'watch', ['./sub', './sub2'], 'update', { field: 'watch.paths' }),
  below('watch', 'paths', ['./sub', './sub2'], 'update'),
  below('watch', 'ignore', [['a'], ['b']], 'update', { beside: { paths: './sub' } }),
  below('watch', 'debounce', ['1s', '2s'], 'update', { beside: { paths: './sub' } }),
  below('watch', 'action', ['restart', { signal: 'SIGHUP' }], 'update', { beside: { paths: './sub' } }),
  row(
    'watch.action.signal',
    { watch: { paths: './sub', action: { signal: 'SIGHUP' } } },
    { watch: { paths: './sub', action: { signal: 'SIGUSR1' } } },
    'update',
    'watch.action',
  ),
  row('replicas', { replicas: 1 }, { replicas: 2 }, 'start'),
  below('', 'umask', ['027', '022'], 'replace'),
  below('', 'nice', [5, 6], 'replace'),
  row('sandbox', {}, { sandbox: true }, 'replace', ['sandbox.network', 'sandbox.profile'], enclosed),
  below('sandbox', 'network', [false, true], 'replace', enclosed),
  below('sandbox', 'read', [['./sub'], ['.']], 'replace', enclosed),
  below('sandbox', 'write', [['./sub'], ['.']], 'replace', enclosed),
  below('sandbox', 'profile', ['default', 'strict'], 'replace', enclosed),
  row(
    'limits',
    { limits: { open_files: 200 } },
    { limits: { open_files: 201 } },
    'replace',
    'limits.open_files',
  ),
  below('limits', 'open_files', [200, 201], 'replace'),
  below('limits', 'processes', [10_000, 10_001], 'replace'),
  below('limits', 'core_size', [0, 4096], 'replace'),
  below('limits', 'file_size', ['1GiB', '2GiB'], 'replace'),
  below('limits', 'stack_size', ['4MiB', '8MiB'], 'replace'),
  below('limits', 'locked_memory', ['16KiB', '32KiB'], 'replace'),
  below('limits', 'address_space', ['1GiB', '2GiB'], 'replace'),
  below('limits', 'cpu_time', ['100s', '200s'], 'replace'),
  below('limits', 'memory', ['64MiB', '128MiB'], 'replace', grouped),
  below('limits', 'cpus', [0.5, 1], 'replace', grouped),
  below('', 'docker', [{ init: false }, { init: true }], 'replace', { ...container, field: 'docker.init' }),
  below('docker', 'image', [IMAGES[0], IMAGES[1]], 'replace', built),
  ...build('docker.build', 'docker.build'),
  below('docker', 'entrypoint', [['env'], ['/bin/env']], 'replace', container),
  below('docker', 'pull', ['missing', 'never'], 'update', container),
  below('docker', 'labels', [{ a: '1' }, { a: '2' }], 'replace', { ...container, field: 'docker.labels.a' }),
  below('docker', 'cap_add', [['NET_ADMIN'], ['SYS_TIME']], 'replace', container),
  below('docker', 'cap_drop', [['NET_ADMIN'], ['SYS_TIME']], 'replace', container),
  below('docker', 'user', ['1000', '1001'], 'replace', { ...container, field: 'user' }),
  row(
    'docker.networks',
    { services: { x: { ...CONTAINER, docker: { networks: ['a'] } } }, networks: { a: null, b: null } },
    { services: { x: { ...CONTAINER, docker: { networks: ['b'] } } }, networks: { a: null, b: null } },
    'replace',
    'docker.networks',
    { ...container, top: true },
  ),
  below('docker', 'network_mode', ['none', 'bridge'], 'replace', container),
  below('docker', 'extra_hosts', [['a:10.0.0.1'], ['a:10.0.0.2']], 'replace', container),
  below('docker', 'workspace', ['.', './sub'], 'replace', container),
  below('docker', 'hide_git', [false, true], 'replace', { ...container, beside: { workspace: '.' } }),
  below('docker', 'netrc', ['./a.env', './b.env'], 'replace', container),
  below('docker', 'gitconfig', ['./a.env', './b.env'], 'replace', container),
  below('docker', 'max_containers', [1000, 1001], 'update', container),
  below('docker', 'privileged', [false, true], 'replace', {
    ...container,
    notReal: 'needs a machine that may give all rights away',
  }),
  below('docker', 'pid', [undefined, 'host'], 'replace', container),
  below('docker', 'platform', ['linux/amd64', 'linux/arm64'], 'replace', {
    ...container,
    notReal: 'needs images of two platforms',
  }),
  below('docker', 'init', [false, true], 'replace', container),
  below('docker', 'read_only', [false, true], 'replace', container),
  below('docker', 'shm_size', ['64MiB', '128MiB'], 'replace', container),
  below('docker', 'healthcheck', [{ test: 'a' }, { test: 'b' }], 'replace', {
    ...container,
    field: 'docker.healthcheck.test',
  }),
  below('docker.healthcheck', 'test', ['a', 'b'], 'replace', container),
  below('docker.healthcheck', 'interval', ['1s', '2s'], 'replace', {
    ...container,
    beside: { test: 'a' },
    field: 'docker.healthcheck.interval_ms',
  }),
  below('docker.healthcheck', 'timeout', ['1s', '2s'], 'replace', {
    ...container,
    beside: { test: 'a' },
    field: 'docker.healthcheck.timeout_ms',
  }),
  below('docker.healthcheck', 'start_period', ['1s', '2s'], 'replace', {
    ...container,
    beside: { test: 'a' },
    field: 'docker.healthcheck.start_period_ms',
  }),
  below('docker.healthcheck', 'retries', [1, 2], 'replace', { ...container, beside: { test: 'a' } }),
  row(
    'docker.healthcheck.disable',
    { docker: { healthcheck: { test: 'a' } }, ready: { tcp: 9 } },
    { docker: { healthcheck: { disable: true } }, ready: { tcp: 9 } },
    'replace',
    'docker.healthcheck.test',
    container,
  ),
  below('', 'nix', [{ shell: 'a' }, { shell: 'b' }], 'replace', { ...shell, field: 'nix.shell' }),
  below('nix', 'flake', ['.', './sub'], 'replace', shell),
  below('nix', 'shell', ['a', 'b'], 'replace', shell),
  below('nix', 'cache_dir', ['./sub', './sub2'], 'replace', shell),
  below('nix', 'impure', [false, true], 'replace', shell),
  below('', 'user', ['root', 'nobody'], 'replace', { notReal: 'needs the right to change users' }),
  row('tty', { tty: false }, { tty: true }, 'replace', ['log.stderr', 'tty']),
  below('', 'stdin', ['null', 'pipe'], 'replace'),
  row('log', { log: { keep: 1 } }, { log: { keep: 2 } }, 'update', 'log.keep'),
  below('log', 'max_size', ['1MiB', '2MiB'], 'update'),
  below('log', 'keep', [1, 2], 'update'),
  below('log', 'stderr', ['separate', 'merge'], 'replace'),
  below('', 'profiles', [['on'], ['on', 'off']], 'none'),
  row(
    'hooks',
    { hooks: { pre_stop: ['true'] } },
    { hooks: { pre_stop: ['true', 'x'] } },
    'update',
    'hooks.pre_stop',
  ),
  ...(['pre_start', 'post_start', 'pre_stop', 'post_stop'] as const).flatMap((hook) => [
    below('hooks', hook, [['true'], ['true', 'x']], 'update'),
    below(`hooks.${hook}`, 'command', [['true'], ['true', 'x']], 'update', { field: `hooks.${hook}` }),
    below(`hooks.${hook}`, 'timeout', ['1s', '2s'], 'update', { beside: { command: ['true'] } }),
  ]),
  row('errors', { errors: ['node'] }, { errors: ['node', 'python'] }, 'update', 'errors'),
  row('errors.match', ...entry('errors', 'match', { message: 'm' }, 'a', 'b'), 'update', 'errors'),
  row('errors.message', ...entry('errors', 'message', { match: 'm' }, 'a', 'b'), 'update', 'errors'),
  top('name', { name: 'a', ...oneService }, { name: 'b', ...oneService }, 'none'),
  top('env', { env: { A: '1' }, ...oneService }, { env: { A: '2' }, ...oneService }, 'replace', 'env.A'),
  top(
    'defaults',
    { defaults: { stop: { grace: '1s' } }, ...oneService },
    { defaults: { stop: { grace: '2s' } }, ...oneService },
    'update',
    'stop.grace',
  ),
  top('include', oneService, { include: 'more.yaml', ...oneService }, 'start'),
  top('include.path', oneService, { include: { path: 'more.yaml' }, ...oneService }, 'start'),
  top(
    'include.env_file',
    { include: { path: 'varied.yaml', env_file: 'a.env' } },
    { include: { path: 'varied.yaml', env_file: 'b.env' } },
    'replace',
    'env.A',
  ),
  top(
    'secrets',
    { secrets: { s: { file: 'a.env' } }, services: { x: { ...NATIVE, secrets: ['s'] } } },
    {
      secrets: { s: { file: 'a.env' }, t: { file: 'a.env' } },
      services: { x: { ...NATIVE, secrets: ['s', 't'] } },
    },
    'replace',
    'secrets.t',
  ),
  top(
    'secrets.source',
    { secrets: secretsOf(), services: { x: { ...NATIVE, secrets: [{ source: 's', env: 'V' }] } } },
    { secrets: secretsOf(), services: { x: { ...NATIVE, secrets: [{ source: 't', env: 'V' }] } } },
    'replace',
    'env.V',
  ),
  top(
    'secrets.env',
    { secrets: secretsOf(), services: { x: { ...NATIVE, secrets: [{ source: 's', env: 'V' }] } } },
    { secrets: secretsOf(), services: { x: { ...NATIVE, secrets: [{ source: 's', env: 'W' }] } } },
    'replace',
    ['env.V', 'env.W'],
  ),
  top(
    'secrets.file',
    { secrets: { s: { file: 'a.env' } }, services: { x: { ...NATIVE, secrets: ['s'] } } },
    { secrets: { s: { file: 'b.env' } }, services: { x: { ...NATIVE, secrets: ['s'] } } },
    'replace',
    'secrets.s',
  ),
  resource('volumes', 'name', 'a', 'b', 'volumes.v.name'),
  resource('volumes', 'external', false, true, 'volumes.v.external'),
  resource('volumes', 'driver', 'local', 'other', 'volumes.v.driver'),
  resource('volumes', 'driver_opts', { o: '1' }, { o: '2' }, 'volumes.v.driver_options.o'),
  resource('volumes', 'labels', { l: '1' }, { l: '2' }, 'volumes.v.labels.l'),
  resource('networks', 'name', 'a', 'b', 'networks.v.name'),
  resource('networks', 'external', false, true, 'networks.v.external'),
  resource('networks', 'driver', 'bridge', 'other', 'networks.v.driver'),
  resource('networks', 'driver_opts', { o: '1' }, { o: '2' }, 'networks.v.driver_options.o'),
  resource('networks', 'internal', false, true, 'networks.v.internal'),
  resource('networks', 'labels', { l: '1' }, { l: '2' }, 'networks.v.labels.l'),
  { ...resource('volumes', 'driver', 'local', 'other', 'volumes.v.driver'), key: 'volumes' },
  { ...resource('networks', 'internal', false, true, 'networks.v.internal'), key: 'networks' },
  top('redact', oneService, { redact: ['*_DSN'], ...oneService }, 'none'),
  top('shutdown', oneService, { shutdown: { timeout: '2m' }, ...oneService }, 'none'),
  top(
    'shutdown.timeout',
    { shutdown: { timeout: '1m' }, ...oneService },
    { shutdown: { timeout: '2m' }, ...oneService },
    'none',
  ),
];

function secretsOf(): Body {
  return { s: { file: 'a.env' }, t: { file: 'b.env' } };
}

function build(at: 'build' | 'docker.build', field: string): readonly Edit[] {
  const path = at.split('.');
  const of = (value: unknown): Body =>
    path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as Body;
  const key = (name: string, from: unknown, to: unknown, fields: string): Edit =>
    row(
      `${at}.${name}`,
      of({ context: '.', [name]: from }),
      of({ context: '.', [name]: to }),
      'replace',
      `${field}.${fields}`,
      built,
    );
  return [
    row(at, of('.'), of('./sub'), 'replace', `${field}.context`, built),
    key('context', '.', './sub', 'context'),
    key('dockerfile', 'Dockerfile', 'sub/Dockerfile', 'dockerfile'),
    key('args', { A: '1' }, { A: '2' }, 'args.A'),
    key('target', 'a', 'b', 'target'),
    key('labels', { l: '1' }, { l: '2' }, 'labels.l'),
    key('tags', ['a:1'], ['a:2'], 'tags'),
    {
      ...key('platform', 'linux/amd64', 'linux/arm64', 'platform'),
      notReal: 'needs images of two platforms',
    },
    key('no_cache', false, true, 'no_cache'),
  ];
}

/** Files that the edits name. */
export const FILES: Readonly<Record<string, string>> = {
  'a.env': 'FROM_FILE=1\nA=1\n',
  'b.env': 'FROM_FILE=2\nA=2\n',
  'quoted.env': 'QUOTED="x"\n',
  Dockerfile: `FROM ${IMAGES[0]} AS a\nFROM a AS b\n`,
  'sub/Dockerfile': `FROM ${IMAGES[0]}\n`,
  'sub2/kept': '',
  'flake.nix': '{ outputs = _: { }; }\n',
  'sub/flake.nix': '{ outputs = _: { }; }\n',
  'more.yaml': 'services: {more: {command: [sleep, "1000"]}}\n',
  'varied.yaml': 'services: {x: {command: [sleep, "1000"], env: {A: "${A}"}}}\n',
};

/** The manifest before an edit, or after it: `x` is what is edited, `other` what it may depend on. */
export function manifestOf({ base, top: isTop }: Edit, body: Body): Body {
  return isTop ? body : { services: { x: { ...base, ...body }, other: NATIVE } };
}
