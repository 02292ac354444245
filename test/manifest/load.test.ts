import { describe, expect, test } from 'vitest';
import type { ServiceSpec } from '../../src/core/service.ts';
import { loadProject, renderResolved } from '../../src/manifest/load.ts';
import { load, memoryIo, placesOf, requestFor } from './memory-io.ts';

/** The services of a manifest that has no problem at all. */
function servicesOf(...args: Parameters<typeof load>): Record<string, ServiceSpec> {
  const { project, diagnostics } = load(...args);
  expect(diagnostics).toEqual([]);
  return Object.fromEntries((project?.services ?? []).map((service) => [service.id, service]));
}

const envOf = (...args: Parameters<typeof load>) => servicesOf(...args)['web']?.launch.env;

test('a service that says only its command gets every default', () => {
  const { project } = load('services:\n  web:\n    command: ./run $HOME\n');
  expect(project).toEqual({
    name: 'p',
    dir: '/p',
    files: ['/p/setpoint.yaml'],
    inactive: [],
    redact: [],
    shutdownTimeoutMs: 60_000,
    services: [
      {
        id: 'web',
        labels: {},
        backendReason: 'nothing asks for another backend',
        launch: {
          backend: 'native',
          command: { kind: 'shell', shell: ['/bin/sh', '-c'], script: './run $HOME' },
          cwd: '/p',
          env: {},
          envAppend: [],
          inheritEnv: true,
          path: [],
          ports: [],
          limits: {},
        },
        dependsOn: [],
        restart: { policy: 'on-failure', maxRestarts: 0, windowMs: 60_000, successExitCodes: [0] },
        backoff: { initialMs: 500, maxMs: 30_000, multiplier: 2, jitter: 0.2, resetAfterMs: 30_000 },
        stop: { signal: 'SIGTERM', graceMs: 10_000, killTree: true },
        replicas: 1,
        log: { maxSize: 64 * 1024 ** 2, keep: 3 },
        hooks: {},
        errors: [],
        requires: [],
        profiles: [],
        origin: 'setpoint.yaml:2',
      },
    ],
  });
});

test('a service that says everything is normalised as a whole', () => {
  const { web } = servicesOf(
    `name: shop
shutdown: {timeout: 2m}
services:
  db: {command: [sleep, 1000], ports: {pg: auto, http: 8000}, ready: {tcp: pg}}
  web:
    description: The API
    labels: {team: 007, tier: a}
    backend: native
    command: run --db \${services.db.host}:\${services.db.ports.pg} --http \${services.db.ports.http} $1
    shell: [bash, -euc]
    cwd: ./sub
    env: {A: 1.10, B: true, N: "\${instance.number}", S: "\${service.name}", P: "\${project.name}:\${project.dir}"}
    env_append: {NODE_OPTIONS: {value: --x, separator: " "}, PATH: {value: ./bin, prepend: true}}
    inherit_env: [HOME]
    path: [./bin, ~/go/bin, /opt/bin]
    requires: [node]
    ports: ["8080", "9090:9090", 7070]
    socket: ./run/\${service.name}.\${instance.number}.sock
    depends_on: {db: {condition: ready, timeout: 30s, on_failure: restart, required: false}}
    ready: {exec: 'check $1 \${services.db.ports.pg}', interval: 1s, timeout: 3s, retries: 5, start_period: 1m, success: 2}
    live: {notify: true, interval: 10s}
    restart: {policy: always, max_restarts: 5, window: 10m, success_exit_codes: [143, 0, 0], on_codes: [1, 137]}
    backoff: {initial: 1s, max: 1m, multiplier: 1.5, jitter: 0, reset_after: 1m30s}
    stop: {signal: SIGINT, grace: 5s, command: [./stop, 1], kill_tree: false}
    timeout: 1h
    replicas: 3
    umask: 027
    limits: {open_files: 4096, core_size: 0, address_space: 2GiB, cpu_time: 10m, memory: 512MiB, cpus: 0.5}
    watch: {paths: [./src, ~/lib], ignore: ['*.log'], debounce: 1s, action: {signal: SIGHUP}}
    stdin: pipe
    log: {max_size: 1MiB, keep: 0, stderr: merge}
    user: 1000
    hooks: {pre_start: echo hi, post_stop: {command: [rm, x], timeout: 5s}}
    errors: [memory, {match: 'code (\\d+)$', message: code $1}]
`,
    { files: { '/p/sub': null, '/p/src': null, '/home/ada/lib': null } },
  );
  const shell = ['bash', '-euc'];
  expect(web).toEqual({
    id: 'web',
    description: 'The API',
    labels: { team: '007', tier: 'a' },
    backendReason: 'the manifest says so',
    launch: {
      backend: 'native',
      command: {
        kind: 'shell',
        shell,
        script: [
          'run --db ',
          { ref: 'host', service: 'db' },
          ':',
          { ref: 'port', service: 'db', port: 'pg' },
          ' --http 8000 $1',
        ],
      },
      cwd: '/p/sub',
      env: { A: '1.10', B: 'true', N: [{ ref: 'instance-number' }], S: 'web', P: 'shop:/p' },
      envAppend: [
        { name: 'NODE_OPTIONS', value: '--x', separator: ' ', prepend: false },
        { name: 'PATH', value: './bin', separator: ':', prepend: true },
      ],
      inheritEnv: ['HOME'],
      path: ['/p/bin', '/home/ada/go/bin', '/opt/bin'],
      ports: [
        { name: '8080', port: 8080 },
        { name: '9090', port: 9090 },
        { name: '7070', port: 7070 },
      ],
      socket: ['/p/run/web.', { ref: 'instance-number' }, '.sock'],
      user: '1000',
      umask: '0027',
      limits: {
        open_files: 4096,
        core_size: 0,
        address_space: 2 * 1024 ** 3,
        cpu_time: 600,
        memory: 512 * 1024 ** 2,
        cpus: 0.5,
      },
      mergeStderr: true,
      stdin: 'pipe',
      notify: { watchdogMs: 10_000 },
    },
    dependsOn: [
      { service: 'db', condition: 'ready', timeoutMs: 30_000, required: false, onFailure: 'restart' },
    ],
    ready: {
      check: {
        kind: 'exec',
        command: { kind: 'shell', shell, script: ['check $1 ', { ref: 'port', service: 'db', port: 'pg' }] },
      },
      intervalMs: 1_000,
      timeoutMs: 3_000,
      retries: 5,
      startPeriodMs: 60_000,
      success: 2,
    },
    live: {
      check: { kind: 'notify' },
      intervalMs: 10_000,
      timeoutMs: 1_000,
      retries: 3,
      startPeriodMs: 0,
      success: 1,
    },
    restart: {
      policy: 'always',
      maxRestarts: 5,
      windowMs: 600_000,
      successExitCodes: [0, 143],
      onCodes: [1, 137],
    },
    backoff: { initialMs: 1_000, maxMs: 60_000, multiplier: 1.5, jitter: 0, resetAfterMs: 90_000 },
    stop: {
      signal: 'SIGINT',
      graceMs: 5_000,
      command: { kind: 'exec', argv: ['./stop', '1'] },
      killTree: false,
    },
    timeoutMs: 3_600_000,
    replicas: 3,
    watch: {
      paths: ['/p/src', '/home/ada/lib'],
      ignore: ['*.log'],
      debounceMs: 1_000,
      action: { kind: 'signal', signal: 'SIGHUP' },
    },
    log: { maxSize: 1024 ** 2, keep: 0 },
    hooks: {
      preStart: { command: { kind: 'shell', shell, script: 'echo hi' }, timeoutMs: 30_000 },
      postStop: { command: { kind: 'exec', argv: ['rm', 'x'] }, timeoutMs: 5_000 },
    },
    errors: [
      { match: 'ENOMEM|[Cc]annot allocate memory|[Oo]ut of memory|MemoryError', message: 'out of memory' },
      { match: 'code (\\d+)$', message: 'code $1' },
    ],
    requires: ['node'],
    profiles: [],
    origin: 'setpoint.yaml:5',
  });
});

describe('the environment', () => {
  test('comes from six levels, the nearest last', () => {
    const levels = ['project file', 'project', 'defaults file', 'defaults', 'service file', 'service'];
    // Level n sets Kn and all after it, so that each Kn tells which level was the last to set it.
    const down = (level: number) =>
      Object.fromEntries(levels.slice(level).map((_, index) => [`K${level + index}`, levels[level]]));
    const text = JSON.stringify({
      env_file: 'p.env',
      env: down(1),
      defaults: { env_file: 'd.env', env: down(3) },
      services: { web: { command: 'x', env_file: 's.env', env: down(5) } },
    });
    const lines = (level: number) =>
      Object.entries(down(level))
        .map(([key, value]) => `${key}=${value ?? ''}`)
        .join('\n');
    const files = { '/p/p.env': lines(0), '/p/d.env': lines(2), '/p/s.env': lines(4) };
    expect(envOf(text, { files })).toEqual(
      Object.fromEntries(levels.map((level, index) => [`K${index}`, level])),
    );
  });

  test('passes the value of the caller on for null and for a name alone', () => {
    const hostEnv = { A: 'host a', B: 'host b' };
    expect(envOf('services: {web: {command: x, env: {A: , C: c}}}', { hostEnv })).toEqual({
      A: 'host a',
      C: 'c',
    });
    expect(envOf('services: {web: {command: x, env: [B, C=c=d]}}', { hostEnv })).toEqual({
      B: 'host b',
      C: 'c=d',
    });
  });

  test('loses what a service resets, and the defaults it overrides', () => {
    const text = (env: string) =>
      `env: {P: p}\ndefaults: {env: {D: d, E: e}}\nservices: {web: {command: x, env: ${env}}}`;
    expect(envOf(text('{S: s}'))).toEqual({ P: 'p', D: 'd', E: 'e', S: 's' });
    expect(envOf(text('{D: !reset null}'))).toEqual({ P: 'p', E: 'e' });
    expect(envOf(text('!override {S: s}'))).toEqual({ P: 'p', S: 's' });
    expect(envOf(text('!reset null'))).toEqual({ P: 'p' });
  });

  test('of an optional env file may be missing, of a raw one is taken as it is', () => {
    const text =
      'services: {web: {command: x, env_file: [{path: no.env, required: false}, {path: r.env, format: raw}]}}';
    expect(envOf(text, { files: { '/p/r.env': 'A="$x" # y' } })).toEqual({ A: '"$x" # y' });
  });
});

describe('interpolation', () => {
  test('knows the .env, the caller, --env-file and --set, later ones winning', () => {
    const keys = 'ABCD'.split('').map((key) => `${key}: "\${${key}}"`);
    const text = `services: {web: {command: x, env: {${keys.join(', ')}}}}`;
    const env = envOf(text, {
      files: { '/p/.env': 'A=1\nB=1\nC=1\nD=1', '/x.env': 'C=3\nD=3' },
      hostEnv: { B: '2', C: '2', D: '2' },
      envFiles: ['/x.env'],
      set: { D: '4' },
    });
    expect(env).toEqual({ A: '1', B: '2', C: '3', D: '4' });
  });

  test('gives numbers and booleans where those are wanted, and texts where not', () => {
    const set = { N: '3', B: 'false', P: '8080' };
    const { web } = servicesOf(
      'services: {web: {command: x, replicas: "${N}", stop: {kill_tree: "${B}"}, ports: {http: "${P}"}, env: {N: "${N}"}}}',
      { set },
    );
    expect(web).toMatchObject({ replicas: 3, stop: { killTree: false }, launch: { env: { N: '3' } } });
    expect(web?.launch.ports).toEqual([{ name: 'http', port: 8080 }]);
  });

  test('leaves the dollar signs of commands and of patterns alone', () => {
    const { web } = servicesOf(
      `services: {web: {command: [sh, -c, 'echo $1 $$'], hooks: {pre_start: 'echo $PATH'}, errors: [{match: 'a$', message: '$1'}]}}`,
    );
    expect(web?.launch.command).toEqual({ kind: 'exec', argv: ['sh', '-c', 'echo $1 $$'] });
    expect(web?.hooks.preStart?.command).toMatchObject({ script: 'echo $PATH' });
    expect(web?.errors).toEqual([{ match: 'a$', message: '$1' }]);
  });

  test('keeps the ports of several instances for later', () => {
    const text = (replicas: number) =>
      `services: {web: {command: x, env: {P: "\${services.db.ports.a}"}}, db: {command: x, ports: {a: 1}, replicas: ${replicas}}}`;
    expect(envOf(text(1))).toEqual({ P: '1' });
    expect(envOf(text(2))).toEqual({ P: [{ ref: 'port', service: 'db', port: 'a' }] });
  });
});

describe('several files', () => {
  test('merge, the later over the earlier, each with its own paths and places', () => {
    const io = memoryIo({
      '/p/setpoint.yaml':
        'name: a\nservices:\n  web: {command: x, path: [./a], env: {A: 1, B: 1}, restart: always}\n',
      '/q/more.yaml':
        'name: b\nservices:\n  web: {path: [./b], env: {B: 2}, restart: !reset null, replicas: two}\n',
    });
    const request = requestFor({ files: ['/p/setpoint.yaml', '/q/more.yaml'] });
    const { diagnostics } = loadProject(request, io);
    expect(diagnostics.map(({ labels: [label] }) => [label?.place.file, label?.place.line])).toEqual([
      ['/q/more.yaml', 3],
    ]);
    const fixed = memoryIo({
      '/p/setpoint.yaml':
        'name: a\nservices:\n  web: {command: x, path: [./a], env: {A: 1, B: 1}, restart: always}\n',
      '/q/more.yaml':
        'name: b\nservices:\n  web: {path: [./b], env: {B: 2}, restart: !reset null, replicas: 2}\n',
    });
    const { project } = loadProject(request, fixed);
    expect(project).toMatchObject({ name: 'b', dir: '/p', files: ['/p/setpoint.yaml', '/q/more.yaml'] });
    expect(project?.services[0]).toMatchObject({
      restart: { policy: 'on-failure' },
      replicas: 2,
      launch: { path: ['/p/a', '/q/b'], env: { A: '1', B: '2' }, cwd: '/p' },
    });
    expect(loadProject({ ...request, projectName: 'c' }, fixed).project?.name).toBe('c');
  });

  test('are all checked, also when one cannot be parsed', () => {
    const io = memoryIo({
      '/p/a.yaml': 'services: {a: {command: x, depends_on: [b], oops: 1}}',
      '/p/b.yaml': 'services: [',
    });
    const { diagnostics } = loadProject(requestFor({ files: ['/p/a.yaml', '/p/b.yaml'] }), io);
    expect(placesOf(diagnostics)).toEqual(['unknown-key 1:45', 'syntax 1:12']);
  });

  test('join by include, with their own folder, variables and defaults', () => {
    const { diagnostics, project } = load(
      `env: {LEVEL: root, OUTER: 1}
include: [db/setpoint.yaml, {path: cache/setpoint.yaml, env_file: c.env}]
services: {web: {command: x, depends_on: [db, cache]}}
`,
      {
        files: {
          '/p/db/setpoint.yaml':
            'env: {LEVEL: db}\ndefaults: {restart: always}\nservices: {db: {command: x, path: ./bin, env: {V: "${V}"}}}',
          '/p/db/.env': 'V=beside',
          '/p/cache/setpoint.yaml': 'services: {cache: {command: x, env: {V: "${V}"}}}',
          '/p/c.env': 'V=given',
        },
      },
    );
    expect(diagnostics).toEqual([]);
    const [web, db, cache] = project?.services ?? [];
    expect(web).toMatchObject({ id: 'web', restart: { policy: 'on-failure' } });
    expect(db).toMatchObject({ restart: { policy: 'always' }, origin: 'db/setpoint.yaml:3' });
    expect(db?.launch).toMatchObject({
      cwd: '/p/db',
      path: ['/p/db/bin'],
      env: { LEVEL: 'db', OUTER: '1', V: 'beside' },
    });
    expect(cache?.launch).toMatchObject({ cwd: '/p/cache', env: { LEVEL: 'root', V: 'given' } });
    expect(project?.files).toContain('/p/c.env');
  });

  test('that include each other, the same service, or nothing are told with their places', () => {
    const files = {
      '/p/a.yaml': 'include: setpoint.yaml\nservices: {web: {command: x}}',
      '/p/b.yaml': 'include: b.yaml',
    };
    const { diagnostics } = load('include: [a.yaml, b.yaml, none.yaml]\nservices:\n  web: {command: x}\n', {
      files,
    });
    expect(
      diagnostics.map(
        ({ code, labels: [label] }) => `${code} ${label?.place.file ?? ''}:${label?.place.line ?? ''}`,
      ),
    ).toEqual([
      'missing-file /p/setpoint.yaml:1',
      'include-cycle /p/a.yaml:1',
      'include-conflict /p/a.yaml:2',
      'include-cycle /p/b.yaml:1',
    ]);
    expect(diagnostics[2]?.labels[1]?.place).toMatchObject({ file: '/p/setpoint.yaml', line: 3 });
  });

  test('that are included by two others are there once', () => {
    const files = {
      '/p/a.yaml': 'include: c.yaml\nservices: {}',
      '/p/b.yaml': 'include: ./c.yaml\nservices: {}',
      '/p/c.yaml': 'services: {c: {command: x}}',
    };
    const { diagnostics, project } = load('include: [a.yaml, b.yaml]\nservices: {}', { files });
    expect(diagnostics).toEqual([]);
    expect(project?.services.map(({ id }) => id)).toEqual(['c']);
  });
});

test('services with a profile take part when it is active or they are named', () => {
  const text =
    'services: {a: {command: x}, b: {command: x, profiles: [p, q]}, c: {command: x, profiles: [r]}}';
  const parts = (more: Parameters<typeof load>[1]) => {
    const { project } = load(text, more);
    return [project?.services.map(({ id }) => id), project?.inactive];
  };
  expect(parts({})).toEqual([['a'], ['b', 'c']]);
  expect(parts({ profiles: ['q'] })).toEqual([['a', 'b'], ['c']]);
  expect(parts({ named: ['c'] })).toEqual([['a', 'c'], ['b']]);
  expect(parts({ profiles: ['*'] })).toEqual([['a', 'b', 'c'], []]);
});

describe('the resolved manifest', () => {
  const result = load(
    `name: shop
redact: ["*_DSN"]
env: {LOG: info}
services:
  db: {command: x, ports: {pg: auto}}
  web:
    command: run \${services.db.ports.pg}
    env_file: web.env
    env: {API_TOKEN: hunter2secret, MY_DSN: x, URL: "http://hunter2secret/", EMPTY: ""}
    labels: {v: 1.10, "a b": "yes"}
    umask: 022
    x-note: free
`,
    { files: { '/p/web.env': '# c\nFROM_FILE=1\n' } },
  );

  test('says where each value came from, and no secret', () => {
    expect(result.diagnostics).toEqual([]);
    const text = renderResolved(result.resolved!, { format: 'yaml', origin: true });
    expect(new Set(text.match(/^.*(?=  # )/gm)?.map((line) => line.length)).size).toBe(1);
    expect(text.replace(/ +#/g, '  #')).toBe(
      `name: shop
redact:
  - "*_DSN"  # setpoint.yaml:2
services:
  db:
    command: x  # setpoint.yaml:5
    ports:
      pg: auto  # setpoint.yaml:5
    env:
      LOG: info  # setpoint.yaml:3
  web:
    command: "run \${services.db.ports.pg}"  # setpoint.yaml:7
    labels:
      v: "1.10"  # setpoint.yaml:10
      a b: "yes"  # setpoint.yaml:10
    umask: "022"  # setpoint.yaml:11
    env:
      LOG: info  # setpoint.yaml:3
      FROM_FILE: "1"  # web.env:2
      API_TOKEN: "***"  # setpoint.yaml:9
      MY_DSN: "***"  # setpoint.yaml:9
      URL: "http://***/"  # setpoint.yaml:9
      EMPTY: ""  # setpoint.yaml:9
`,
    );
    expect(result.secrets).toEqual(['hunter2secret', 'x']);
  });

  test('is a manifest again also where defaults say more than a service needs', () => {
    const first = load(`defaults:
  ready: {interval: 1s}
  live: {retries: 1}
  schedule: {timezone: UTC}
  watch: {debounce: 1s}
  log: {stderr: separate}
services:
  plain: {command: x}
  web: {command: x, tty: true, ports: {http: auto}, ready: {tcp: http}, live: {notify: true, interval: 1s}}
  db: {command: x, ready: {log: 'a$'}, watch: ., schedule: {every: 1m}}
`);
    expect(first.diagnostics).toEqual([]);
    const again = load(renderResolved(first.resolved!, { format: 'yaml', origin: false }));
    expect(again.diagnostics).toEqual([]);
    const specs = ({ project }: typeof first) => project?.services.map((spec) => ({ ...spec, origin: '' }));
    expect(specs(again)).toEqual(specs(first));
  });

  test('is a manifest again', () => {
    const yaml = renderResolved(result.resolved!, { format: 'yaml', origin: false });
    const again = load(yaml);
    expect(again.diagnostics).toEqual([]);
    expect(renderResolved(again.resolved!, { format: 'yaml', origin: false })).toBe(yaml);
    expect(JSON.parse(renderResolved(again.resolved!, { format: 'json', origin: false }))).toEqual(
      again.resolved?.manifest,
    );
  });
});
