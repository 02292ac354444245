import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseBases } from '../../../src/backends/docker/build-context.ts';
import { findEndpoint } from '../../../src/host/engine-endpoint.ts';
import { compareVersions } from '../../../src/backends/docker/engine-client.ts';
import { FrameTail } from '../../../src/backends/docker/exec.ts';
import { exitOf } from '../../../src/backends/docker/exits.ts';
import { IgnoreList } from '../../../src/backends/docker/ignore.ts';
import { reference } from '../../../src/backends/docker/images.ts';
import {
  buildLines,
  protobufFields,
  PullProgress,
  reportedError,
} from '../../../src/backends/docker/progress.ts';
import { findAuth, registryOf } from '../../../src/backends/docker/registry.ts';
import { sshArguments } from '../../../src/backends/docker/ssh.ts';
import { parseStats, parseTop } from '../../../src/backends/docker/stats.ts';
import { padding, TAR_END, tarHeader } from '../../../src/backends/docker/tar.ts';

describe('how a container ended', () => {
  const facts = { code: 0, oomKilled: false, witnessed: true, sent: new Set<string>() };

  test.each([
    ['an exit code', { code: 3 }, { kind: 'code', code: 3 }],
    ['a signal of ours', { code: 143, sent: new Set(['SIGTERM']) }, { kind: 'signal', signal: 'SIGTERM' }],
    ['a status that only looks like a signal', { code: 143 }, { kind: 'code', code: 143 }],
    ['lack of memory', { code: 137, oomKilled: true }, { kind: 'oom', evidence: 'the engine says so' }],
    [
      'a kill by us counts before',
      { code: 137, oomKilled: true, sent: new Set(['SIGKILL']) },
      { kind: 'signal', signal: 'SIGKILL' },
    ],
    ['a child that lacked memory', { code: 1, oomKilled: true }, { kind: 'code', code: 1 }],
    ['255 that was seen', { code: 255 }, { kind: 'code', code: 255 }],
  ])('%s', (_, change, expected) => {
    expect(exitOf({ ...facts, ...change })).toEqual(expected);
  });

  test('255 that an engine makes up is not taken for a status', () => {
    expect(exitOf({ ...facts, code: 255, witnessed: false })).toMatchObject({ kind: 'unknown' });
  });
});

describe('.dockerignore', () => {
  test.each<[string, readonly string[], readonly string[]]>([
    ['*.log', ['a.log'], ['src/a.log', 'a.logs']],
    ['**/*.log', ['a.log', 'src/deep/a.log'], ['a.txt']],
    ['src', ['src', 'src/a/b'], ['srcs', 'a/src']],
    ['/src/', ['src/a'], ['x/src']],
    ['*/temp*', ['a/temp', 'a/temporary/x'], ['temp', 'a/b/temp']],
    ['a?c', ['abc'], ['a/c', 'abbc']],
    ['[a-c]x', ['bx'], ['dx', '/x']],
    ['[^a]x', ['bx'], ['ax']],
    ['docs/**', ['docs/a/b'], ['doc']],
    ['*\n!keep', ['a', 'b/c'], ['keep', 'keep/x']],
    ['*\n!keep\nkeep/secret', ['keep/secret'], ['keep/a']],
    ['# comment\n\n  b  \r\n.', ['b'], ['# comment', 'a']],
    ['a/../b', ['b'], ['a']],
    ['\\*x', ['*x'], ['ax']],
    ['we(ird)+$', ['we(ird)+$'], ['weird']],
  ])('%j', (text, ignored, kept) => {
    const list = new IgnoreList(text);
    expect(ignored.filter((path) => !list.ignores(path))).toEqual([]);
    expect(kept.filter((path) => list.ignores(path))).toEqual([]);
  });

  test('no pattern makes it throw', () => {
    fc.assert(fc.property(fc.string(), fc.string(), (text, path) => void new IgnoreList(text).ignores(path)));
  });
});

test('an archive is one that tar reads, long names included', () => {
  const long = `${'d/'.repeat(80)}${'n'.repeat(120)}`;
  const content = Buffer.from('hello');
  const archive = Buffer.concat([
    tarHeader({ name: 'dir', kind: 'folder', mode: 0o755, size: 0 }),
    tarHeader({ name: 'dir/ü', kind: 'file', mode: 0o640, size: 5 }),
    content,
    padding(5),
    tarHeader({ name: long, kind: 'file', mode: 0o644, size: 0 }),
    tarHeader({ name: 'link', kind: 'link', mode: 0o777, size: 0, target: `dir/${'t'.repeat(150)}` }),
    TAR_END,
  ]);
  const listed = execFileSync('tar', ['tvf', '-', '--quoting-style=literal'], {
    input: archive,
    encoding: 'utf8',
    env: { LC_ALL: 'C.UTF-8', PATH: process.env['PATH'] },
  });
  const lines = listed.trim().split('\n');
  expect(lines[0]).toMatch(/^drwxr-xr-x .* dir\/$/);
  expect(lines[1]).toMatch(/^-rw-r----- .* 5 .* dir\/ü$/);
  expect(lines[2]?.endsWith(` ${long}`)).toBe(true);
  expect(lines[3]?.endsWith(` link -> dir/${'t'.repeat(150)}`)).toBe(true);
});

test.each([
  ['redis', { fromImage: 'redis', tag: 'latest' }],
  ['redis:7', { fromImage: 'redis', tag: '7' }],
  ['host:5000/a/b', { fromImage: 'host:5000/a/b', tag: 'latest' }],
  ['host:5000/a/b:c', { fromImage: 'host:5000/a/b', tag: 'c' }],
  ['a/b:c@sha256:12', { fromImage: 'a/b', tag: 'sha256:12' }],
])('only one image is pulled: %s', (image, expected) => {
  expect(reference(image)).toEqual(expected);
});

test('the bases of a Dockerfile are found, its own stages are none', () => {
  const text =
    '# syntax=docker/dockerfile:1\nARG V=1\nFROM --platform=linux/amd64 a.io/base AS Build\nFROM build AS two\nFROM scratch\nFROM x:$V\nCOPY --chown=1 --from=b.io/tool:1 /a /b\nCOPY --from=0 /a /b\nFROM \\\n  c.io/d';
  expect(parseBases(text)).toEqual(['docker/dockerfile:1', 'a.io/base', 'b.io/tool:1', 'c.io/d']);
});

describe('where the engine is', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'dkc-'));
    mkdirSync(join(home, '.docker'));
  });
  afterEach(() => rmSync(home, { recursive: true }));

  const find = (env: Record<string, string> = {}) => findEndpoint({ HOME: home, ...env });
  const context = (name: string, host: string): void => {
    const id = createHash('sha256').update(name).digest('hex');
    const folder = join(home, '.docker/contexts/meta', id);
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, 'meta.json'),
      JSON.stringify({ Name: name, Endpoints: { docker: { Host: host } } }),
    );
  };

  test('the usual socket, where nothing is said', () => {
    expect(find()).toMatchObject({ value: { kind: 'unix', path: '/var/run/docker.sock' } });
    expect(find({ DOCKER_CONTEXT: 'default' })).toMatchObject({ value: { path: '/var/run/docker.sock' } });
  });

  test.each([
    ['unix:///a/b', { kind: 'unix', path: '/a/b' }],
    ['tcp://h:1', { kind: 'tcp', host: 'h', port: 1 }],
    ['tcp://[::1]', { kind: 'tcp', host: '::1', port: 2375 }],
    ['h:2', { kind: 'tcp', host: 'h', port: 2 }],
    ['ssh://me@h:22/run/d.sock', { kind: 'ssh', destination: 'me@h', port: 22, path: '/run/d.sock' }],
  ])('DOCKER_HOST %s', (host, expected) => {
    expect(find({ DOCKER_HOST: host })).toMatchObject({ ok: true, value: expected });
  });

  test.each(['fd://', 'http://', 'ssh://-oProxyCommand=x', 'npipe:////./pipe/x'])(
    'DOCKER_HOST %s is refused',
    (host) => {
      expect(find({ DOCKER_HOST: host })).toMatchObject({ ok: false });
    },
  );

  test('DOCKER_HOST comes before DOCKER_CONTEXT, which comes before the current context', () => {
    context('one', 'unix:///one');
    context('two', 'ssh://two');
    writeFileSync(join(home, '.docker/config.json'), JSON.stringify({ currentContext: 'one' }));
    expect(find()).toMatchObject({ value: { path: '/one' } });
    expect(find({ DOCKER_CONTEXT: 'two' })).toMatchObject({ value: { destination: 'two' } });
    expect(find({ DOCKER_CONTEXT: 'two', DOCKER_HOST: 'unix:///x' })).toMatchObject({
      value: { path: '/x' },
    });
    expect(find({ DOCKER_CONTEXT: 'three' })).toMatchObject({
      ok: false,
      error: expect.stringContaining('three') as string,
    });
  });

  test('certificates come with DOCKER_TLS_VERIFY, or with the context', () => {
    writeFileSync(join(home, '.docker/ca.pem'), 'CA');
    expect(find({ DOCKER_HOST: 'tcp://h', DOCKER_TLS_VERIFY: '1' })).toMatchObject({
      value: { port: 2376, tls: { verify: true, ca: Buffer.from('CA') } },
    });
    context('sec', 'tcp://h:9');
    const tls = join(
      home,
      '.docker/contexts/tls',
      createHash('sha256').update('sec').digest('hex'),
      'docker',
    );
    mkdirSync(tls, { recursive: true });
    writeFileSync(join(tls, 'key.pem'), 'K');
    writeFileSync(join(tls, 'cert.pem'), 'C');
    expect(find({ DOCKER_CONTEXT: 'sec' })).toMatchObject({
      value: { tls: { key: Buffer.from('K'), verify: true } },
    });
  });

  test('a broken configuration is named', () => {
    writeFileSync(join(home, '.docker/config.json'), '{');
    expect(find()).toMatchObject({ ok: false, error: expect.stringContaining('config.json') as string });
  });

  test('what a registry wants is in the file, or asked of a helper', async () => {
    const config = {
      auths: {
        'https://index.docker.io/v1/': { auth: Buffer.from('me:pa:ss').toString('base64') },
        'tok.io': { identitytoken: 'T' },
      },
      credHelpers: { 'help.io': 'test', 'gone.io': 'not-there' },
    };
    writeFileSync(join(home, '.docker/config.json'), JSON.stringify(config));
    const helper = join(home, 'docker-credential-test');
    writeFileSync(helper, '#!/bin/sh\nread host; echo "{\\"Username\\":\\"u\\",\\"Secret\\":\\"$host\\"}"\n');
    chmodSync(helper, 0o755);
    const env = { HOME: home, PATH: `${home}:${process.env['PATH'] ?? ''}` };
    expect(await findAuth(registryOf('redis:7'), env)).toMatchObject({ username: 'me', password: 'pa:ss' });
    expect(await findAuth(registryOf('tok.io/x'), env)).toMatchObject({ identitytoken: 'T' });
    expect(await findAuth(registryOf('help.io/x'), env)).toMatchObject({
      username: 'u',
      password: 'help.io',
    });
    expect(await findAuth(registryOf('gone.io/x'), env)).toBeUndefined();
    expect(await findAuth(registryOf('other.io/x'), env)).toBeUndefined();
  });
});

test.each([
  ['redis', 'https://index.docker.io/v1/'],
  ['library/redis', 'https://index.docker.io/v1/'],
  ['docker.io/library/redis', 'https://index.docker.io/v1/'],
  ['localhost/x', 'localhost'],
  ['h:5000/x', 'h:5000'],
])('the registry of %s', (image, registry) => {
  expect(registryOf(image)).toBe(registry);
});

test('ssh is told that what follows is a destination', () => {
  const args = sshArguments({ kind: 'ssh', destination: 'me@h', port: 22, from: '' });
  expect(args.slice(args.indexOf('--'))).toEqual(['--', 'me@h', 'docker', 'system', 'dial-stdio']);
});

test('versions are compared by number', () => {
  expect(
    ['1.9', '1.41', '1.47', '2.0'].map((version) => Math.sign(compareVersions(version, '1.41'))),
  ).toEqual([-1, 0, 1, 1]);
});

test('the progress of a pull is summed up', () => {
  const progress = new PullProgress('redis:7');
  expect(progress.take({ status: 'Pulling from library/redis', id: '7' })).toBeUndefined();
  expect(progress.take({ status: 'Pulling fs layer', id: 'a' })).toBe('pulling redis:7: 0 of 1 layers');
  progress.take({ status: 'Already exists', id: 'b' });
  expect(
    progress.take({ status: 'Downloading', id: 'a', progressDetail: { current: 5e5, total: 2e6 } }),
  ).toBe('pulling redis:7: 1 of 2 layers, 0.5 of 2.0 MB');
  expect(progress.take({ status: 'Pull complete', id: 'a' })).toBe(
    'pulling redis:7: 2 of 2 layers, 2.0 of 2.0 MB',
  );
  expect(reportedError({ errorDetail: { message: 'no' }, error: 'x' })).toBe('no');
});

test('lines of both builders are read; no bytes make the reader throw', () => {
  expect(buildLines({ stream: 'Step 1/2\n' })).toEqual(['Step 1/2']);
  const field = (number: number, bytes: Buffer): Buffer =>
    Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
  const log = field(3, field(4, Buffer.from('hi\n')));
  const vertex = field(
    1,
    Buffer.concat([field(3, Buffer.from('[1/2] RUN x')), field(5, Buffer.from([8, 1]))]),
  );
  const aux = Buffer.concat([vertex, log]).toString('base64');
  expect(buildLines({ id: 'moby.buildkit.trace', aux })).toEqual(['[1/2] RUN x', 'hi']);
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void protobufFields(Buffer.from(bytes))));
});

test('stats of both kinds of control groups are read', () => {
  const answer = {
    cpu_stats: { cpu_usage: { total_usage: 5e6 } },
    memory_stats: { usage: 100, stats: { inactive_file: 30 } },
    pids_stats: { current: 4 },
  };
  expect(parseStats(answer)).toEqual({ cpuMs: 5, memoryBytes: 70, processes: 4, threads: 4 });
  expect(parseStats({ cpu_stats: { cpu_usage: { total_usage: 0 } }, memory_stats: {} })).toBeUndefined();
  expect(parseTop({ Processes: [['12', 'sh -c \u001b']] })).toEqual([{ pid: 12, command: 'sh -c \\x1b' }]);
});

test('the last output of a command is kept, however its frames are cut', () => {
  const tail = new FrameTail();
  const bytes = Buffer.concat([
    Buffer.from([1, 0, 0, 0, 0, 0, 0, 2]),
    Buffer.from('ab'),
    Buffer.from([2, 0, 0, 0, 0, 0, 0x20, 0]),
    Buffer.alloc(8192, 'x'),
    Buffer.from([1, 0, 0, 0, 0, 0, 0, 1]),
    Buffer.from('c'),
  ]);
  for (const byte of bytes) tail.push(Buffer.from([byte]));
  expect(tail.text).toBe(`${'x'.repeat(4095)}c`);
});
