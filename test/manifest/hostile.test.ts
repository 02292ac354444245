import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadProject, nodeManifestIo } from '../../src/manifest/load.ts';
import { load, memoryIo, placesOf, requestFor } from './memory-io.ts';

const codes = (text: string) => [...new Set(load(text).diagnostics.map(({ code }) => code))];

describe('a file that is no manifest gets one diagnostic', () => {
  const at = (content: string | Buffer | null | Error | undefined) => {
    const io = memoryIo(content === undefined ? {} : { '/p/setpoint.yaml': content });
    const { diagnostics, project } = loadProject(requestFor(), io);
    expect(project).toBeUndefined();
    return diagnostics.map(({ code }) => code);
  };

  test.each<[string, string | Buffer | null | Error | undefined, string]>([
    ['not there', undefined, 'missing-file'],
    ['a folder', null, 'not-a-file'],
    ['not readable', Object.assign(new Error('no'), { code: 'EACCES' }), 'unreadable-file'],
    ['over 1 MiB', `# ${'x'.repeat(2 * 1024 * 1024)}`, 'file-too-large'],
    ['with a NUL', 'a: b\0', 'not-text'],
    ['not UTF-8', Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe]), 'not-text'],
    ['empty', '', 'empty-manifest'],
    ['only a comment', '# nothing\n', 'empty-manifest'],
    ['null', 'null', 'empty-manifest'],
    ['a list', '- a', 'wrong-type'],
    ['a text', 'hello', 'wrong-type'],
    ['two documents', 'services: {}\n---\nservices: {}', 'several-documents'],
    ['duplicate keys', 'name: a\nname: b\nservices: {}', 'duplicate-key'],
    ['a key that is a number', 'services: {}\n1: x', 'bad-key'],
    ['a key that is a map', 'services: {}\n? {a: b}\n: x', 'bad-key'],
    ['an empty key', 'services: {}\n: x', 'bad-key'],
    ['an unknown tag', 'services: !foo {}', 'unknown-tag'],
    ['a binary tag', 'services: {}\nname: !!binary aGVsbG8=', 'unknown-tag'],
    ['an unknown alias', 'services: *nope', 'bad-alias'],
    ['an alias inside its anchor', 'services: &a {x: *a}', 'bad-alias'],
    ['a merge of a text', 'services: {}\nx-a: {<<: text}', 'bad-merge'],
    ['tabs', 'services:\n\tweb: x', 'syntax'],
    ['an open quote', 'name: "abc', 'syntax'],
    ['an open bracket', 'services: {', 'syntax'],
  ])('%s', (_name, content, code) => {
    expect(at(content)).toEqual([code]);
  });

  test('several syntax errors are all told', () => {
    const { diagnostics } = load('a: "\\q"\nb: "\\w"\nc: fine\n');
    expect(placesOf(diagnostics)).toEqual(['syntax 1:5', 'syntax 2:5']);
  });

  test('a byte order mark is no content', () => {
    expect(load('\uFEFFservices: {}\n').diagnostics).toEqual([]);
  });

  test('the places of a duplicate are both told', () => {
    const [diagnostic] = load('services: {}\nname: a\nname: b\n').diagnostics;
    expect(diagnostic?.labels.map(({ place }) => place.line)).toEqual([3, 2]);
  });
});

describe('a bomb is refused at once', () => {
  const LEVELS = 50_000;
  test.each([
    ['brackets', '['.repeat(LEVELS)],
    ['closed brackets', `a: ${'['.repeat(LEVELS)}${']'.repeat(LEVELS)}`],
    ['braces', `a: ${'{a: '.repeat(LEVELS)}`],
    ['compact lists', `a:\n  ${'- '.repeat(LEVELS)}x`],
    ['explicit keys', '? '.repeat(LEVELS)],
    ['indentation', Array.from({ length: 1_400 }, (_, level) => `${' '.repeat(level)}a:`).join('\n')],
    ['lists under keys', Array.from({ length: 700 }, (_, level) => `${'  '.repeat(level)}- a:`).join('\n')],
  ])('nesting by %s', (_name, text) => {
    expect(codes(text)).toEqual(['too-deep']);
  });

  test('64 levels are fine and 65 are not', () => {
    const nested = (levels: number) => `services: {}\nx-a: ${'['.repeat(levels)}${']'.repeat(levels)}`;
    expect(codes(nested(63))).toEqual([]);
    expect(codes(nested(64))).toEqual(['too-deep']);
    const block = (levels: number) =>
      `services: {}\n${Array.from({ length: levels }, (_, level) => `${' '.repeat(level)}x-a:`).join('\n')} {}`;
    expect(codes(block(63))).toEqual([]);
    expect(codes(block(64))).toEqual(['too-deep']);
  });

  test('brackets inside texts and comments are no nesting', () => {
    const many = '['.repeat(500);
    const text = `services: {}\nx-a: "${many}"\nx-b: |\n  ${many}\n  - - - ${'- '.repeat(200)}\n# ${many}\nx-c: x${many}\n`;
    expect(load(text).diagnostics).toEqual([]);
  });

  test('billion laughs', () => {
    const lines = Array.from({ length: 20 }, (_, n) => {
      const items = n === 0 ? 'lol' : Array.from({ length: 10 }, () => `*a${n - 1}`).join(', ');
      return `x-a${n}: &a${n} [${items}]`;
    });
    expect(codes(`services: {}\n${lines.join('\n')}`)).toEqual(['too-many-aliases']);
  });

  test('300 merges of one set of defaults are legitimate', () => {
    const services = Array.from({ length: 300 }, (_, n) => `  s${n}: {<<: *base, env: {N: "${n}"}}`).join(
      '\n',
    );
    const { diagnostics, project } = load(
      `x-base: &base {command: x, restart: always, stop: {grace: 1s}}\nservices:\n${services}\n`,
    );
    expect(diagnostics).toEqual([]);
    expect(project?.services).toHaveLength(300);
    expect(project?.services[299]).toMatchObject({
      restart: { policy: 'always' },
      launch: { env: { N: '299' } },
    });
  });

  test('20,000 keys and as many mistakes are bounded', () => {
    const env = Array.from({ length: 20_000 }, (_, n) => `      K${n}: ${n}`).join('\n');
    const fine = load(`services:\n  web:\n    command: x\n    env:\n${env}\n`);
    expect(fine.diagnostics).toEqual([]);
    expect(Object.keys(fine.project?.services[0]?.launch.env ?? {})).toHaveLength(20_000);
    const unknown = load(
      `services:\n  web:\n    command: x\n${env.replaceAll('      ', '    ')}\n`,
    ).diagnostics;
    expect(unknown).toHaveLength(501);
    expect(unknown.at(-1)?.message).toBe('19500 more problems are not shown');
    const wrong = load(
      `services:\n  web:\n    command: x\n    requires: [${'1,'.repeat(100_000)}]`,
    ).diagnostics;
    expect(wrong).toHaveLength(501);
  });

  test('a path with a NUL, and keys that objects have', () => {
    expect(codes('services: {web: {command: x, cwd: "a\\0b", env_file: "a\\0b"}}')).toContain(
      'missing-env-file',
    );
    const { diagnostics, project } = load(
      'services: {web: {command: x, env: {__proto__: a, constructor: b}}}',
    );
    expect(diagnostics).toEqual([]);
    expect(Object.entries(project?.services[0]?.launch.env ?? {})).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
    expect(codes('services: {web: {command: x, __proto__: a}}')).toEqual(['unknown-key']);
    expect(codes('services: {web: {command: x, restart: constructor, errors: [toString]}}')).toEqual([
      'bad-value',
    ]);
    expect(codes('services: {constructor: {command: x}}\nconstructor: x')).toEqual(['unknown-key']);
  });
});

describe('on a real disk', () => {
  let dir = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'setpoint-manifest-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('a FIFO, a folder and a missing file are told apart, and nothing blocks', () => {
    const fifo = join(dir, 'fifo.yaml');
    execFileSync('mkfifo', [fifo]);
    mkdirSync(join(dir, 'folder.yaml'));
    const io = nodeManifestIo({});
    const code = (name: string) =>
      loadProject(requestFor({ files: [join(dir, name)] }), io).diagnostics.map(
        (diagnostic) => diagnostic.code,
      );
    expect(code('fifo.yaml')).toEqual(['not-a-file']);
    expect(code('folder.yaml')).toEqual(['not-a-file']);
    expect(code('none.yaml')).toEqual(['missing-file']);
    expect(code('none.yaml/x')).toEqual(['missing-file']);
  });

  test('a file without permission is told so', (ctx) => {
    if (process.getuid?.() === 0) ctx.skip('root may read every file');
    const file = join(dir, 'secret.yaml');
    writeFileSync(file, 'services: {}');
    chmodSync(file, 0o000);
    const { diagnostics } = loadProject(requestFor({ files: [file] }), nodeManifestIo({}));
    expect(diagnostics.map(({ code }) => code)).toEqual(['unreadable-file']);
  });
});

const VALID = `name: shop
x-base: &base {restart: always, backoff: {max: 1m}}
env: {LOG: "\${LOG:-info}", DB_PASSWORD: hunter2}
defaults: {stop: {grace: 3s}, env: {SVC: "\${service.name}"}}
services:
  db: {command: [sleep, 1000], ports: {pg: auto, web: 8080}, umask: 022}
  api:
    <<: *base
    command: |
      node server.js --db \${services.db.host}:\${services.db.ports.pg}
    env: [PORT=80, HOME]
    depends_on: {db: started}
    errors: [node, {match: 'x(\\d+)', message: x}]
    hooks: {pre_start: "echo hi", post_stop: {command: [echo, hi], timeout: 1s}}
    limits: {core_size: 0, cpu_time: 10s}
`;

describe('many things at once take no time', () => {
  const many = (count: number, item: (at: number) => string) =>
    Array.from({ length: count }, (_, at) => item(at)).join(', ');

  test.each([
    ['ranges of ports', `services: {a: {image: x, ports: [${many(60_000, () => '"1-1000"')}]}}`],
    [
      'ranges of ports of a process',
      `services: {a: {command: x, ports: [${many(60_000, () => '"1-1000"')}]}}`,
    ],
    [
      'unknown networks',
      `services: {a: {image: x, docker: {networks: [${many(40_000, (at) => `n${at}`)}]}}}`,
    ],
    [
      'unknown secrets',
      `secrets: {${many(5_000, (at) => `s${at}: {file: x}`)}}\nservices: {a: {image: x, secrets: [${many(40_000, (at) => `t${at}`)}]}}`,
    ],
    [
      'unknown volumes',
      `volumes: {${many(5_000, (at) => `s${at}: `)}}\nservices: {a: {image: x, mounts: [${many(30_000, (at) => `"t${at}:/${at}"`)}]}}`,
    ],
    ['backends by preference', `services: {a: {command: x, backend_order: [${many(90_000, () => 'nix')}]}}`],
    [
      'containers in a row',
      `services: {${many(4_000, (at) => `s${at}: {image: x, docker: {network_mode: "service:s${at + 1}"}, ports: {p: {target: 1, published: false}}, env: {A: "\${services.s${at + 1}.ports.p}"}}`)}}`,
    ],
  ])(
    '%s',
    (_name, text) => {
      const { diagnostics } = load(text);
      expect(diagnostics.length).toBeLessThan(600);
      expect(diagnostics.some(({ severity }) => severity === 'error')).toBe(true);
    },
    20_000,
  );
});

describe('whatever is fed in', () => {
  const answer = (content: string | Buffer) => {
    const io = memoryIo({ '/p/setpoint.yaml': content, '/p': null });
    const result = loadProject(requestFor({ profiles: ['*'] }), io);
    const errors = result.diagnostics.some(({ severity }) => severity === 'error');
    expect(result.project === undefined).toBe(errors);
    for (const { labels, message } of result.diagnostics) {
      expect(message).not.toBe('');
      for (const { place } of labels) expect(Math.min(place.line, place.column)).toBeGreaterThan(0);
    }
    if (result.project !== undefined) expect(result.resolved).toBeDefined();
    return result;
  };

  test('the valid manifest is valid', () => {
    expect(load(VALID).diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  test('bytes are answered', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void answer(Buffer.from(bytes))),
      { numRuns: 300 },
    );
  });

  test('text like YAML is answered', () => {
    const token = fc.constantFrom(
      ...[
        'services',
        'web',
        'command',
        'env',
        '<<',
        ': ',
        ':',
        '- ',
        '-',
        '?',
        '[',
        ']',
        '{',
        '}',
        ',',
        '\n',
        '\n  ',
      ],
      ...[
        '\n    ',
        '&a ',
        '*a',
        '!reset ',
        '!override ',
        '"',
        "'",
        '|',
        '>',
        '#',
        '${',
        '}',
        '$',
        'null',
        '1',
        '\t',
      ],
      ...[
        'depends_on',
        'x-a',
        '---\n',
        '...\n',
        '%YAML 1.1\n',
        '__proto__',
        'ports',
        'auto',
        '~',
        '@',
        '`',
        '🙂',
      ],
    );
    const text = fc.array(token, { maxLength: 60 }).map((tokens) => tokens.join(''));
    fc.assert(
      fc.property(text, (content) => void answer(content)),
      { numRuns: 1_000 },
    );
  });

  test('damaged manifests are answered', () => {
    const damage = fc.tuple(
      fc.nat(VALID.length),
      fc.nat(12),
      fc.constantFrom('', ' ', '\n', ':', '"', '{', '[', '*base', '${', '- '),
    );
    const text = fc
      .array(damage, { minLength: 1, maxLength: 4 })
      .map((damages) =>
        damages.reduce(
          (whole, [at, length, by]) => whole.slice(0, at) + by + whole.slice(at + length),
          VALID,
        ),
      );
    fc.assert(
      fc.property(text, (content) => void answer(content)),
      { numRuns: 500 },
    );
  });

  test('any value under any key of a probe, a schedule and the like is answered', () => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom(
        '',
        ':',
        '::',
        '[::1]:1',
        '1s',
        '/x',
        '${services.web.ports.a}',
        '${instance.number}',
        '(',
      ),
    );
    const inner = fc.constantFrom('url', 'port', 'path', 'host', 'headers', 'status', 'pattern', 'stream');
    const part = fc.oneof(
      value,
      fc.dictionary(inner, value, { maxKeys: 4 }),
      fc.array(value, { maxLength: 3 }),
    );
    const under = (...keys: string[]) => fc.oneof(value, fc.dictionary(fc.constantFrom(...keys), part));
    const probe = under('exec', 'http', 'tcp', 'log', 'notify', 'interval', 'timeout', 'retries', 'success');
    const dependency = under('condition', 'timeout', 'on_failure', 'required', 'pattern');
    const service = fc.record(
      {
        ready: probe,
        live: probe,
        schedule: under('cron', 'every', 'timezone', 'overlap', 'on_start', 'missed'),
        watch: under('paths', 'ignore', 'debounce', 'action'),
        restart: under('policy', 'max_restarts', 'window', 'success_exit_codes', 'on_codes'),
        log: under('max_size', 'keep', 'stderr'),
        limits: under('memory', 'cpus'),
        depends_on: fc.dictionary(fc.constantFrom('web', 'db', 'no'), dependency),
      },
      { requiredKeys: [] },
    );
    const text = fc.tuple(service, service, service).map(([defaults, web, db]) =>
      JSON.stringify({
        defaults,
        services: { web: { command: 'x', ...web }, db: { command: 'y', ...db } },
      }),
    );
    fc.assert(
      fc.property(text, (content) => void answer(content)),
      { numRuns: 300 },
    );
  });

  test('any value under any key of a container, a mount, a secret and the like is answered', () => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom(
        '',
        ':',
        '::',
        'auto:80',
        '127.0.0.1:80:80',
        '1-5:1-5',
        './x:/x',
        'data:/x:ro',
        '/x',
        '~/x',
        'service:web',
        'host',
        'healthcheck',
        'a:1.2.3.4',
        'A=b',
        'CMD',
        'github:a/b',
        '__proto__',
        'constructor',
        '${services.web.ports.a}',
        '${services.db.ports.http}',
        '${instance.number}',
        '${NONE}',
      ),
    );
    const inner = fc.constantFrom(
      'context',
      'args',
      'source',
      'target',
      'published',
      'test',
      'interval',
      'env',
      'a',
    );
    const part = fc.oneof(
      value,
      fc.dictionary(inner, value, { maxKeys: 4 }),
      fc.array(fc.oneof(value, fc.dictionary(inner, value, { maxKeys: 3 })), { maxLength: 3 }),
    );
    const under = (...keys: string[]) => fc.oneof(value, part, fc.dictionary(fc.constantFrom(...keys), part));
    const docker = [
      ['image', 'build', 'entrypoint', 'pull', 'labels', 'cap_add', 'user', 'networks', 'network_mode'],
      ['extra_hosts', 'workspace', 'netrc', 'healthcheck', 'privileged', 'pid', 'shm_size', 'platform'],
    ].flat();
    const service = fc.record(
      {
        backend: fc.oneof(value, fc.constantFrom('native', 'docker', 'nix')),
        backend_order: fc.oneof(value, fc.subarray(['native', 'docker', 'nix'])),
        command: value,
        image: value,
        build: under('context', 'dockerfile', 'args', 'tags', 'labels'),
        entrypoint: part,
        docker: under(...docker),
        nix: under('flake', 'shell', 'cache_dir', 'impure'),
        mounts: part,
        sandbox: under('network', 'read', 'write', 'profile'),
        secrets: part,
        ports: fc.oneof(part, fc.dictionary(fc.constantFrom('http', 'a', '__proto__'), part)),
        ready: fc.oneof(value, fc.dictionary(fc.constantFrom('healthcheck', 'tcp', 'http', 'notify'), part)),
        live: value,
        nice: value,
        cwd: value,
        env_append: fc.dictionary(fc.constantFrom('PATH', 'A'), part),
        inherit_env: part,
        user: value,
        replicas: fc.oneof(value, fc.nat(3)),
      },
      { requiredKeys: [] },
    );
    const top = fc.oneof(value, fc.dictionary(fc.constantFrom('a', 'data', '__proto__'), part));
    const text = fc
      .record(
        { defaults: service, web: service, db: service, secrets: top, volumes: top, networks: top },
        { requiredKeys: [] },
      )
      .map(({ web, db, ...more }) => JSON.stringify({ ...more, services: { web, db } }));
    const whole = (content: string): void => {
      const { project } = answer(content);
      // Whatever could not be made of it was told: no service is left out without a word.
      if (project !== undefined) expect(project.services).toHaveLength(2);
    };
    fc.assert(fc.property(text, whole), { numRuns: 600 });
  });

  test('any value under any key is answered', () => {
    const keys = [
      'command',
      'env',
      'env_file',
      'ports',
      'depends_on',
      'restart',
      'backoff',
      'stop',
      'hooks',
      'errors',
    ];
    const more = [
      'limits',
      'labels',
      'path',
      'shell',
      'socket',
      'env_append',
      'inherit_env',
      'user',
      'profiles',
      'cwd',
      'ready',
      'live',
      'schedule',
      'watch',
      'tty',
      'stdin',
      'log',
      'image',
      'build',
      'entrypoint',
      'docker',
      'nix',
      'mounts',
      'sandbox',
      'secrets',
      'backend',
      'backend_order',
      'nice',
      'rollback',
    ];
    const service = fc.dictionary(fc.constantFrom(...keys, ...more), fc.jsonValue({ maxDepth: 3 }), {
      maxKeys: 4,
    });
    fc.assert(
      fc.property(
        service,
        service,
        (web, defaults) => void answer(JSON.stringify({ services: { web }, defaults })),
      ),
      { numRuns: 500 },
    );
  });
});
