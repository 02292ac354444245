import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lacks, lacksRoot } from '../rig/needs.ts';
import { isRunning, killIfThere } from '../rig/processes.ts';
import { newProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

const FAST = 'backoff: { initial: 10ms, max: 10ms, jitter: 0 }';

test('the three restart policies differ for a good end and for a bad one', async (ctx) => {
  const services = ['never', 'on-failure', 'always'].flatMap((policy) =>
    [0, 1].map(
      (code) =>
        `  ${policy}-${code}: { command: 'echo run >> ${policy}-${code}.runs; exit ${code}', restart: ${policy}, ${FAST} }\n`,
    ),
  );
  const project = newProject(ctx, { 'setpoint.yaml': `services:\n${services.join('')}` });
  await project.run(['up', '-d']);
  for (const name of ['on-failure-1', 'always-0', 'always-1']) {
    await eventually(`${name} to be restarted`, () => project.lines(`${name}.runs`).length > 3 || undefined);
  }
  await project.becomes('never-0.1', 'completed');
  await project.becomes('never-1.1', 'failed');
  await project.becomes('on-failure-0.1', 'completed');
  for (const name of ['never-0', 'never-1', 'on-failure-0'])
    expect(project.lines(`${name}.runs`)).toEqual(['run']);
});

test('a backoff is counted down in status, and a stop during it wins at once', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `services: {a: {command: 'echo run >> runs; echo no queue >&2; exit 7', backoff: {initial: 10m, max: 10m, jitter: 0}}}`,
  });
  await project.run(['up', '-d']);
  await project.becomes('a.1', 'backoff');
  expect(await project.ok('status')).toMatch(/^a +backoff (10|9)m.*exit 7: no queue$/m);
  expect(await project.ok('explain', 'a')).toMatch(/waiting to restart: attempt 1 in (10|9)m/);
  await project.ok('stop', 'a');
  expect(await project.instance('a.1')).toMatchObject({ wanted: 'down', state: { kind: 'stopped' } });
  expect(project.lines('runs')).toHaveLength(1);
  await project.run(['start', 'a', '--timeout', '1s']);
  await eventually('it to run again', () => project.lines('runs').length === 2 || undefined);
});

test('setpoint restart ends a backoff at once', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `services: {a: {command: 'test -e good || exit 7; exec sleep 1000', backoff: {initial: 10m, max: 10m}}}`,
  });
  await project.run(['up', '-d']);
  await project.becomes('a.1', 'backoff');
  project.write('good', '');
  await project.ok('restart', 'a');
  expect(await project.becomes('a.1', 'running')).toMatchObject({ restarts: 0 });
});

const ESCAPES = `
const { spawn } = require('child_process');
const code = "require('fs').appendFileSync('escaped', process.pid + '\\\\n'); process.on('SIGTERM', () => {}); process.on('SIGHUP', () => {}); setInterval(() => {}, 1000)";
spawn(process.execPath, ['-e', code], { detached: true, stdio: 'ignore' }).unref();
spawn('sh', ['-c', 'setsid "$0" -e "$1" & exit', process.execPath, code], { detached: true, stdio: 'ignore' }).unref();
setInterval(() => {}, 1000);
`;

test('down also ends what left its process group by setsid and double fork', async (ctx) => {
  const lack = lacks('setsid');
  if (lack !== undefined) ctx.skip(lack);
  const project = newProject(ctx, {
    'setpoint.yaml': 'services: {a: {command: [node, escapes.cjs], stop: {grace: 100ms}}}',
    'escapes.cjs': ESCAPES,
  });
  await project.ok('up', '-d');
  await eventually('two to have escaped', () => project.lines('escaped').length === 2 || undefined);
  const escaped = project.lines('escaped').map(Number);
  ctx.onTestFinished(() => escaped.forEach((pid) => killIfThere(pid)));
  await project.ok('down');
  expect(escaped.filter(isRunning)).toEqual([]);
  await project.nothingIsLeft();
});

test('stop sends the signal asked for, and kills after the grace period what ignores it', async (ctx) => {
  const script = (signal: string): string =>
    `"process.on('${signal}', () => { require('fs').appendFileSync('signals', '${signal}\\\\n'); ${signal === 'SIGINT' ? 'process.exit(0)' : ''} }); require('fs').appendFileSync('ready', 'x\\\\n'); setInterval(() => {}, 1000)"`;
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  polite: { command: [node, -e, ${script('SIGINT')}], stop: { signal: SIGINT, grace: 10m } }
  stubborn: { command: [node, -e, ${script('SIGTERM')}], stop: { grace: 200ms } }
  asked: { command: exec sleep 1000, stop: { command: 'kill -USR1 "$(pgrep -f never-matches-anything || echo 0)" 2>/dev/null; echo asked >> signals', grace: 100ms } }
`,
  });
  await project.ok('up', '-d');
  await eventually('both to be ready', () => project.lines('ready').length === 2 || undefined);
  await project.ok('stop', 'polite', 'stubborn');
  expect(await project.instance('polite.1')).toMatchObject({
    state: { kind: 'stopped', exit: { kind: 'code', code: 0 } },
  });
  expect(await project.instance('stubborn.1')).toMatchObject({
    state: { kind: 'stopped', exit: { kind: 'signal', signal: 'SIGKILL' } },
  });
  expect(await project.ok('events', 'stubborn')).toMatch(/killed +SIGKILL/);
  await project.ok('stop', 'asked');
  expect([...project.lines('signals')].sort()).toEqual(['SIGINT', 'SIGTERM', 'asked']);
});

test('kill -s sends a signal that leaves the service running', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `services: {a: {command: [node, -e, "process.on('SIGUSR1', () => require('fs').writeFileSync('got', 'USR1')); require('fs').writeFileSync('ready', ''); setInterval(() => {}, 1000)"]}}`,
  });
  await project.ok('up', '-d');
  await eventually('it to be ready', () => existsSync(join(project.dir, 'ready')));
  const pid = await project.pidOf('a.1');
  await project.ok('kill', '-s', 'USR1', 'a');
  await eventually('the signal', () => project.read('got') === 'USR1');
  expect(await project.pidOf('a.1')).toBe(pid);
  await project.ok('kill', 'a');
  await eventually('a new run', async () => (await project.pidOf('a.1')) !== pid);
});

test('hooks run in their order, with the environment of the service, and a failing pre_start keeps it from starting', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  a:
    command: echo run >> order; trap 'echo end >> order; exit 0' TERM; while :; do sleep 0.02; done
    env: { WORD: hello }
    hooks:
      pre_start: echo "pre_start $WORD" >> order
      post_start: { command: [sh, -c, "while ! grep -q run order; do sleep 0.02; done; echo post_start >> order"], timeout: 5s }
      pre_stop: echo pre_stop >> order
      post_stop: echo post_stop >> order
  b:
    command: echo never >> order
    restart: never
    hooks: { pre_start: echo no permission to begin >&2; exit 9 }
  c:
    command: exec sleep 1000
    restart: never
    hooks: { pre_start: { command: exec sleep 1000, timeout: 100ms } }
`,
  });
  const up = await project.run(['up', '-d', '--wait']);
  expect(up.status).toBe(1);
  expect(up.stdout + up.stderr).toContain('no permission to begin');
  await project.becomes('b.1', 'failed');
  await project.becomes('c.1', 'failed');
  await eventually('post_start', () => project.read('order').includes('post_start'));
  await project.ok('down');
  expect(project.lines('order')).toEqual([
    'pre_start hello',
    'run',
    'post_start',
    'pre_stop',
    'end',
    'post_stop',
  ]);
});

test('without a umask of its own a service and its hooks have that of the caller', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  a:
    command: umask > service
    hooks: { pre_start: umask > hook }
    restart: never
`,
  });
  const before = process.umask(0o027);
  try {
    await project.ok('up', '-d', '--wait');
  } finally {
    process.umask(before);
  }
  expect([project.read('service'), project.read('hook')].map((text) => Number.parseInt(text, 8))).toEqual([
    0o027, 0o027,
  ]);
});

test('umask, limits, cwd, path, env_append and inherit_env reach the process', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  a:
    command: |
      touch made
      { umask; ulimit -n; ulimit -c; pwd; tool; echo "$LIST"; echo "$OTHER"; echo "$KEPT"; } > facts
    cwd: sub
    umask: "0027"
    limits: { open_files: 123, core_size: 0 }
    path: bin
    env: { LIST: b }
    env_append: { LIST: { value: a, prepend: true }, PATH: { value: /nowhere } }
    inherit_env: [KEPT, PATH]
    restart: never
`,
    'sub/.keep': '',
    'bin/tool': '#!/bin/sh\necho tool ran\n',
  });
  execFileSync('chmod', ['755', join(project.dir, 'bin/tool')]);
  const up = await project.run(['up', '-d', '--wait'], { env: { KEPT: 'kept', OTHER: 'not passed' } });
  expect(up.stderr).toBe('');
  expect(up.status).toBe(0);
  expect(project.lines('sub/facts')).toEqual([
    '0027',
    '123',
    '0',
    join(project.dir, 'sub'),
    'tool ran',
    'a:b',
    'kept',
  ]);
  expect(project.read('sub/facts').split('\n')[6]).toBe('');
  expect(statSync(join(project.dir, 'sub/made')).mode & 0o777).toBe(0o640);
});

test('a service runs as the user it names', async (ctx) => {
  const lack = lacksRoot();
  if (lack !== undefined) ctx.skip(lack);
  const project = newProject(ctx, {
    'setpoint.yaml': `services: {a: {command: 'id -un; id -u; id -G', user: nobody, cwd: /, restart: never}, b: {command: id, user: no-such-user-here, restart: never}}`,
  });
  const up = await project.run(['up', '-d', '--wait']);
  expect(up.status).not.toBe(0);
  expect(up.stdout + up.stderr).toContain('no-such-user-here');
  await project.becomes('a.1', 'completed');
  expect(project.log('a.1').split('\n').slice(0, 2)).toEqual([
    'nobody',
    execFileSync('id', ['-u', 'nobody'], { encoding: 'utf8' }).trim(),
  ]);
});

test('a stale socket is removed before a start and after an end, and nothing but a socket', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  server: { command: [node, server.cjs], socket: app.sock, stop: { grace: 5s } }
  other: { command: exec sleep 1000, socket: precious.txt, restart: never }
`,
    'server.cjs': `require('net').createServer().listen('app.sock', () => require('fs').appendFileSync('listening', process.pid + '\\n'));`,
    'precious.txt': 'do not remove',
  });
  await project.run(['up', '-d']);
  await eventually('it to listen', () => project.lines('listening').length === 1 || undefined);
  process.kill(await project.pidOf('server.1'), 'SIGKILL');
  await eventually('it to listen again', () => project.lines('listening').length === 2 || undefined);
  await project.ok('stop', 'server');
  expect(existsSync(join(project.dir, 'app.sock'))).toBe(false);
  await project.ok('down');
  expect(project.read('precious.txt')).toBe('do not remove');
});

test('the last lines of a failed service become a readable cause', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  node: { command: [node, -e, "require('./queue')"], restart: never, errors: [node] }
  own: { command: 'echo "E42: disk sda1 is full" >&2; echo bye >&2; exit 1', restart: never, errors: [{ match: "^E42: disk (\\\\w+)", message: "no space on $1" }] }
  plain: { command: 'echo first >&2; printf "last words" >&2; exit 5', restart: never }
`,
  });
  await project.run(['up', '-d']);
  for (const id of ['node.1', 'own.1', 'plain.1']) await project.becomes(id, 'failed');
  expect((await project.instance('node.1'))?.lastCause).toContain("Cannot find module './queue'");
  expect((await project.instance('own.1'))?.lastCause).toBe('no space on sda1');
  expect((await project.instance('plain.1'))?.lastCause).toBe('last words');
});

test('a dependency that fails skips its dependents, and up --wait names the culprit with its last lines', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  migrate: { command: 'echo table users is locked >&2; exit 4', restart: never }
  api: { command: echo never > ran, depends_on: { migrate: completed-successfully } }
  web: { command: echo never > ran, depends_on: [api] }
  other: { command: exec sleep 1000 }
`,
  });
  const up = await project.run(['up', '-d', '--wait']);
  expect(up.status).toBe(1);
  expect(up.stderr).toMatch(/migrate/);
  expect(up.stderr).toMatch(/exit 4/);
  expect(up.stderr).toContain('table users is locked');
  await project.becomes('api.1', 'skipped');
  await project.becomes('web.1', 'skipped');
  await project.becomes('other.1', 'running');
  expect(project.read('ran')).toBe('');
});

test('a run longer than its timeout is stopped and counts as failed', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': 'services: {a: {command: exec sleep 1000, timeout: 200ms, restart: never}}',
  });
  await project.run(['up', '-d']);
  expect(await project.becomes('a.1', 'failed')).toMatchObject({ state: { exit: { kind: 'timeout' } } });
  expect(project.processes().filter(({ command }) => command.startsWith('sleep'))).toEqual([]);
});

test('missing programs, folders and commands are told before and as what they are', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  lacking: { command: exec sleep 1000, requires: [no-such-program-here], restart: never }
  absent: { command: [./not-there], restart: never }
  plain: { command: [setpoint.yaml], cwd: ., restart: never }
`,
  });
  const up = await project.run(['up', '-d', '--wait']);
  expect(up.status).not.toBe(0);
  expect(up.stdout + up.stderr).toContain('no-such-program-here');
  expect(up.stdout + up.stderr).toContain('not-there');
});
