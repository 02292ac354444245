import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Diagnostic } from '../../src/core/diagnostic.ts';
import { lacks } from '../rig/needs.ts';
import { CLI, newProject } from '../rig/setpoint.ts';

const TEN = `name: shop
services:
  api:
    comand: node server.js
    command: [node, server.js]
    depends_on: [dbb]
    stop: { grace: 10 }
  db:
    command: exec sleep 1000
    restart: sometimes
    env: ["=x"]
    ports: { http: 99999 }
  Cache:
    command: exec sleep 1000
  a:
    command: exec sleep 1000
    depends_on: [b]
  b:
    command: exec sleep 1000
    depends_on: [a]
    umask: "9"
  c:
    command: echo \${UNCLOSED
    replicas: -1
`;

/** Code, and where: line and column. */
const FOUND = [
  ['unknown-key', 4, 5],
  ['unknown-service', 6, 18],
  [/duration/, 7, 20],
  [/.*/, 10, 14],
  ['bad-env-entry', 11, 11],
  [/.*/, 12, 20],
  [/.*/, 13, 3],
  ['dependency-cycle', 17, 18],
  [/.*/, 21, 12],
  ['invalid-interpolation', 23, 19],
  [/.*/, 24, 15],
] as const;

test('each of many mistakes is told at its place, as text and as data, and nothing is started', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': TEN });
  const json = await project.run(['check', '--format', 'json']);
  expect(json.status).toBe(2);
  const { diagnostics } = JSON.parse(json.stdout) as { diagnostics: readonly Diagnostic[] };
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  const places = errors.map(({ labels: [label] }) => [label?.place.line, label?.place.column]);
  expect(places).toEqual(FOUND.map(([, line, column]) => [line, column]));
  for (const [index, { code, labels }] of errors.entries()) {
    const expected = FOUND[index]?.[0] ?? '';
    if (typeof expected === 'string') expect(code).toBe(expected);
    else expect(code).toMatch(expected);
    // A malformed entry of `env` may be a secret.
    expect(labels[0]?.place.source).toBe(
      TEN.replace('"=x"', '****').split('\n')[(labels[0]?.place.line ?? 0) - 1],
    );
  }

  const text = await project.run(['check']);
  expect(text.status).toBe(2);
  const all = text.stdout + text.stderr;
  for (const [, line, column] of FOUND) expect(all).toContain(`setpoint.yaml:${line}:${column}`);
  expect(all).toContain('did you mean `command`?');
  expect(all).toContain('did you mean `db`?');
  expect(all).toMatch(new RegExp(`^${FOUND.length} errors`, 'm'));
  const up = await project.run(['up', '-d']);
  expect(up.status).toBe(2);
  expect(up.stderr).toContain('Nothing was changed');
  await project.nothingIsLeft();
});

const SCALARS = 'services: {a: {command: exec sleep 1000}}\n';
const BOMB = `a: &a [x, x, x, x, x, x, x, x, x]\n${Array.from('bcdefghij', (name, n) => `${name}: &${name} [${Array.from({ length: 9 }, () => `*${'abcdefghi'[n] ?? ''}`).join(', ')}]`).join('\n')}\nservices: *j\n`;

const HOSTILE: Readonly<Record<string, string | Buffer>> = {
  'deep-flow': `services: ${'['.repeat(50_000)}`,
  'deep-closed': `services: ${'['.repeat(50_000)}${']'.repeat(50_000)}`,
  'deep-maps': `services: ${'{a: '.repeat(50_000)}`,
  'deep-block': Array.from({ length: 900 }, (_, n) => `${' '.repeat(n)}a:`).join('\n'),
  large: SCALARS + '# padding\n'.repeat(210_000),
  binary: Buffer.from(Array.from({ length: 4_096 }, (_, n) => (n * 7_919) % 256)),
  empty: '',
  'only-comments': '# nothing\n---\n',
  bomb: BOMB,
  'many-documents': `${SCALARS}---\n${SCALARS}`,
  'not-utf8': Buffer.from([0x73, 0xff, 0xfe, 0x3a, 0x20, 0x31]),
  utf16: Buffer.from(`\ufeff${SCALARS}`, 'utf16le'),
  'a-list': '- a\n- b\n',
  'many-keys': `services: {${Array.from({ length: 20_000 }, (_, n) => `k${n}: 1`).join(', ')}}`,
};

test('hostile files get a diagnostic each, quickly, and a running project goes on untouched', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': SCALARS });
  await project.ok('up', '-d', '--wait');
  const pid = await project.pidOf('a.1');
  for (const [name, content] of Object.entries(HOSTILE)) {
    writeFileSync(join(project.dir, 'setpoint.yaml'), content);
    const began = performance.now();
    const check = await project.run(['check']);
    expect(check.signal, name).toBeNull();
    expect(check.status, `${name}: ${check.stdout}${check.stderr}`.slice(0, 600)).toBe(2);
    expect(check.stdout + check.stderr, name).toMatch(/^error\[[a-z-]+\]: /m);
    expect((check.stdout + check.stderr).length, name).toBeLessThan(300_000);
    expect(performance.now() - began, name).toBeLessThan(10_000);
  }
  for (const name of ['deep-flow', 'bomb', 'binary']) {
    writeFileSync(join(project.dir, 'setpoint.yaml'), HOSTILE[name] ?? '');
    const up = await project.run(['up', '-d']);
    expect(up.status, name).toBe(2);
    expect(up.stderr).toMatch(/Nothing was changed; 1 service keeps running/);
  }
  expect(await project.pidOf('a.1')).toBe(pid);
});

test('a directory, a device, a dangling link and a missing file in the place of the manifest are told', async (ctx) => {
  const project = newProject(ctx, {});
  mkdirSync(join(project.dir, 'folder.yaml'));
  symlinkSync('/dev/zero', join(project.dir, 'zero.yaml'));
  symlinkSync('nowhere', join(project.dir, 'dangling.yaml'));
  execFileSync('mkfifo', [join(project.dir, 'pipe.yaml')]);
  for (const name of ['folder.yaml', 'zero.yaml', 'dangling.yaml', 'pipe.yaml', 'missing.yaml']) {
    for (const command of ['check', 'up']) {
      const { status, signal, stdout, stderr } = await project.run([command, '-f', name]);
      expect({ name, command, status, signal }).toEqual({ name, command, status: 2, signal: null });
      expect(stdout + stderr).toContain(name);
    }
  }
  await project.nothingIsLeft();
});

test('a manifest that may not be read is told', (ctx) => {
  const root = process.getuid?.() === 0;
  const lack = root ? lacks('setpriv') : undefined;
  if (lack !== undefined) ctx.skip(lack);
  const project = newProject(ctx, { 'setpoint.yaml': SCALARS });
  chmodSync(join(project.dir, 'setpoint.yaml'), 0);
  // Root may read anything as long as it has its capabilities.
  const bare = root ? ['setpriv', '--inh-caps=-all', '--bounding-set=-all'] : [];
  const script = 'exec "$@"';
  let out = '';
  try {
    execFileSync('/bin/sh', ['-c', script, 'sh', ...bare, CLI, 'check'], {
      cwd: project.dir,
      env: project.env,
      stdio: 'pipe',
    });
    expect.unreachable();
  } catch (error) {
    const failed = error as { status: number; stdout: Buffer; stderr: Buffer };
    expect(failed.status).toBe(2);
    out = failed.stdout.toString() + failed.stderr.toString();
  }
  expect(out).toMatch(/setpoint\.yaml/);
  expect(out).toMatch(/permission|may not be read|denied/i);
});
