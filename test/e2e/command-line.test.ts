import { execFileSync, spawn } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lacks } from '../rig/needs.ts';
import { isRunning } from '../rig/processes.ts';
import { CLI, newProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

const PAIR = `
services:
  web: { command: 'echo "web says hello"; echo "web complains" >&2; exec sleep 1000', description: the web, labels: { tier: front } }
  db: { command: exec sleep 1000 }
`;

test('-f names the manifest before and after each command, from anywhere', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': 'not: [the one', 'conf/other.yaml': PAIR });
  const file = join(project.dir, 'conf/other.yaml');
  const cwd = project.temporary;
  const commands = [
    ['check'],
    ['plan'],
    ['config'],
    ['up', '-d', '--wait'],
    ['status'],
    ['plan'],
    ['explain', 'web'],
    ['restart', 'web'],
    ['stop', 'web'],
    ['start', 'web'],
    ['wait', 'web'],
    ['scale', 'web=2'],
    ['kill', '-s', 'CONT', 'db'],
    ['down'],
  ];
  for (const [command = '', ...args] of commands) {
    const before = await project.run(['-f', file, command, ...args], { cwd });
    expect([0, 2], `-f ${command}: ${before.stderr}`).toContain(before.status);
    expect(before.stderr, command).not.toMatch(/error/);
    if (command === 'up' || command === 'down') continue;
    const after = await project.run([command, ...args, '-f', file], { cwd });
    expect(after.status, `${command} -f: ${after.stderr}`).toBe(before.status);
  }
  for (const command of ['logs', 'events']) {
    for (const args of [
      ['-f', file, command],
      [command, '--file', file],
      ['--file', file, command],
    ]) {
      const { status, stdout } = await project.run(args, { cwd });
      expect({ args, status }).toEqual({ args, status: 0 });
      expect(stdout).toContain('web');
    }
  }
});

test('several manifests are merged in order, and -C, --set, --env-file, include and profiles are heeded', async (ctx) => {
  const project = newProject(ctx, {
    'base.yaml': `
include: more/part.yaml
services:
  a: { command: 'echo "$WHO $WORD $GIVEN" > said.a; exec sleep 1000', env: { WHO: base, WORD: "\${WORD:-none}", GIVEN: "\${GIVEN:-none}" } }
  extra: { command: exec sleep 1000, profiles: [debug] }
`,
    'over.yaml': 'services: {a: {env: {WHO: over}}}',
    'more/part.yaml': 'services: {part: {command: pwd > said.part; exec sleep 1000}}',
    'vars.env': 'GIVEN=from-file\n',
  });
  const up = await project.run(
    [
      '-C',
      project.dir,
      'up',
      '-d',
      '--wait',
      '-f',
      'base.yaml',
      '-f',
      'over.yaml',
      '--set',
      'WORD=set',
      '--env-file',
      'vars.env',
      '--profile',
      'debug',
    ],
    { cwd: '/' },
  );
  expect(up).toMatchObject({ status: 0, stderr: '' });
  await eventually(
    'both to have spoken',
    () => project.read('said.a') !== '' && project.read('more/said.part') !== '',
  );
  expect(project.read('said.a').trim()).toBe('over set from-file');
  expect(project.read('more/said.part').trim()).toBe(join(project.dir, 'more'));
  const names = (await project.snapshot()).services.map(({ id }) => id).sort();
  expect(names).toEqual(['a', 'extra', 'part']);
  const origin = await project.run(['config', '-f', 'base.yaml', '-f', 'over.yaml', '--origin']);
  expect(origin.stdout).toMatch(/WHO: over +# over\.yaml:1$/m);
  expect(origin.stdout).not.toContain('extra:');
  await project.ok('down', '-f', 'base.yaml', '-f', 'over.yaml');
});

test('a running project is found from elsewhere by --project-name, and two of one manifest do not meet', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': PAIR });
  await project.ok('up', '-d', '--wait', '--project-name', 'one');
  await project.ok('up', '-d', '--wait', '--project-name', 'two');
  const elsewhere = { cwd: project.temporary };
  for (const name of ['one', 'two']) {
    const { status, stdout } = await project.run(['status', '--project-name', name], elsewhere);
    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`^${name} +2 services: 2 running`));
  }
  expect(project.daemons()).toHaveLength(2);
  expect((await project.run(['down', '--project-name', 'one'], elsewhere)).status).toBe(0);
  expect((await project.run(['status', '--project-name', 'two'], elsewhere)).stdout).toContain('2 running');
  expect(await project.run(['status', '--project-name', 'three'], elsewhere)).toMatchObject({ status: 3 });
  expect((await project.run(['down', '--project-name', 'two'], elsewhere)).status).toBe(0);
});

test('exit statuses are as documented', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': PAIR });
  const statusOf = async (...args: string[]): Promise<number | null> => (await project.run(args)).status;
  expect(await statusOf('frobnicate')).toBe(2);
  expect(await statusOf('status', '--no-such-option')).toBe(2);
  expect(await statusOf('logs', '--tail', 'many')).toBe(2);
  expect(await statusOf('up', '-d', '--foreground')).toBe(2);
  expect(await statusOf('plan')).toBe(2);
  expect(await statusOf('plan', '-f', 'absent.yaml')).toBe(1);
  expect(await statusOf('stop')).toBe(3);
  expect(await statusOf('down')).toBe(0);
  expect(await statusOf('help', 'exit-status')).toBe(0);
  expect(await statusOf('version')).toBe(0);
  expect(await statusOf('up', 'wbe', '-d')).toBe(2);
  expect(await statusOf('up', '-d', '--wait')).toBe(0);
  expect(await statusOf('plan')).toBe(0);
  expect(await statusOf('wait')).toBe(0);
  expect(await statusOf('wait', '--for', 'completed', '--timeout', '200ms')).toBe(124);
  for (const command of ['explain', 'stop', 'start', 'restart', 'kill', 'wait', 'logs']) {
    expect(await statusOf(command, 'wbe'), command).toBe(2);
  }
  const up = project.start(['wait', '--for', 'stopped']);
  await eventually('it to have connected', async () => (await project.snapshot()).phase === 'up');
  await new Promise((resolve) => setTimeout(resolve, 300));
  up.signal('SIGINT');
  expect((await up.ended).status).toBe(130);
});

test('every reading command answers in JSON, which a reader that leaves early does not break', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': PAIR });
  const commands = [
    ['check'],
    ['config'],
    ['plan'],
    ['status'],
    ['version'],
    ['doctor'],
    ['explain', 'web'],
    ['events'],
    ['logs'],
  ];
  await project.ok('up', '-d', '--wait');
  for (const [command = '', ...args] of commands) {
    const { stdout, stderr, status } = await project.run([command, ...args, '--format', 'json']);
    expect({ command, status, stderr }).toEqual({ command, status: 0, stderr: '' });
    const lines = command === 'events' || command === 'logs' ? stdout.trimEnd().split('\n') : [stdout];
    for (const line of lines) expect(() => JSON.parse(line) as unknown, command).not.toThrow();
  }
  await project.ok('down');
  for (const command of ['status', 'events', 'logs']) {
    const { stdout, status } = await project.run([command, '--format', 'json']);
    expect({ command, status }).toEqual({ command, status: 0 });
    if (command === 'status') expect(JSON.parse(stdout)).toMatchObject({ name: 'shop', phase: 'down' });
  }
});

test('a reader of the output that leaves early ends the command without a word', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `services: {a: {command: [node, -e, "for (let i = 0; i < 200000; i++) console.log('line ' + i)"], restart: never}}`,
  });
  await project.ok('up', '-d', '--wait');
  await project.becomes('a.1', 'completed');
  for (const args of [
    'logs --tail all',
    'logs --tail all -f',
    'events',
    'status',
    'help',
    'completion bash',
  ]) {
    const child = spawn('/bin/sh', ['-c', `"$0" ${args} | head -n 1`, CLI], {
      cwd: project.dir,
      env: project.env,
    });
    let errors = '';
    let out = '';
    child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
    child.stdout.on('data', (text: Buffer) => (out += text.toString()));
    await once(child, 'close');
    expect({ args, errors }).toEqual({ args, errors: '' });
    expect(out.split('\n')).toHaveLength(2);
  }
});

test('logs follow with -f, hold both streams, and can be narrowed', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': PAIR });
  await project.ok('up', '-d', '--wait');
  const follower = project.start(['logs', '-f', 'web']);
  await follower.says('web says hello');
  await project.ok('restart', 'web');
  await eventually('the second hello', () => follower.stdout.split('web says hello').length === 3);
  follower.signal('SIGINT');
  expect((await follower.ended).status).toBe(0);
  expect(await project.ok('logs')).toMatch(/^web +\| web complains$/m);
  expect((await project.ok('logs', '--tail', '1', 'web')).trimEnd().split('\n')).toHaveLength(1);
  expect(await project.ok('logs', 'db')).toBe('');
});

test('colour is for terminals alone unless asked for, and NO_COLOR is honoured', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': PAIR.replace('comand', 'command') });
  const esc = String.fromCharCode(27);
  await project.ok('up', '-d', '--wait');
  expect(await project.ok('status')).not.toContain(esc);
  expect(await project.ok('status', '--color', 'always')).toContain(`${esc}[`);
  expect(await project.ok('status', '--no-color')).not.toContain(esc);
});

test('up --foreground works as the daemon, and SIGTERM brings the project down', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': PAIR });
  const up = project.start(['up', '--foreground']);
  await up.says('web says hello');
  const web = await project.pidOf('web.1');
  expect(await project.daemonPid()).toBe(up.pid);
  expect(await project.ok('status')).toContain('2 running');
  const second = await project.run(['up', '--foreground']);
  expect(second.status).toBe(1);
  expect(isRunning(web)).toBe(true);
  up.signal('SIGTERM');
  const { status } = await up.ended;
  expect([0, 143]).toContain(status);
  expect(isRunning(web)).toBe(false);
  await project.nothingIsLeft();
});

test('up --foreground that is killed leaves services that the next up takes over', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': PAIR });
  const up = project.start(['up', '--foreground']);
  const web = await eventually('the web to run', async () =>
    project.socket() === undefined ? undefined : project.pidOf('web.1'),
  );
  up.signal('SIGKILL');
  await up.ended;
  expect(isRunning(web)).toBe(true);
  await project.ok('up', '-d', '--wait');
  expect(await project.pidOf('web.1')).toBe(web);
});

test('events, explain and wait tell what happened and why', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `services: {once: {command: sleep 0.2; exit 0, restart: never}, bad: {command: echo no >&2; exit 3, restart: never}}`,
  });
  await project.run(['up', '-d']);
  await project.ok('wait', 'once', '--for', 'completed', '--timeout', '10s');
  const bad = await project.run(['wait', 'bad', '--for', 'completed', '--timeout', '10s']);
  expect(bad.status).toBe(1);
  expect(bad.stderr).toMatch(/bad.*exit 3/);
  const follower = project.start(['events', '-f']);
  await follower.says('failed');
  await project.run(['restart', 'once']);
  await eventually('the second end', () => follower.stdout.match(/once.*completed/g)?.length === 2);
  follower.signal('SIGINT');
  expect((await follower.ended).status).toBe(0);
  expect(await project.ok('explain', 'bad')).toMatch(/^bad has failed/);
  const events = (await project.ok('events', '--format', 'json'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { seq: number });
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, n) => (events[0]?.seq ?? 0) + n));
});

test('bash completes commands, options and the services of the project', async (ctx) => {
  const lack = lacks('bash');
  if (lack !== undefined) ctx.skip(lack);
  const project = newProject(ctx, { 'setpoint.yaml': PAIR });
  symlinkSync(CLI, join(project.dir, 'setpoint'));
  const complete = (...words: string[]): string[] => {
    const script = `
      PATH="$PWD:$PATH"; source <(setpoint completion bash)
      COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
      COMP_LINE="\${COMP_WORDS[*]}"; COMP_POINT=\${#COMP_LINE}
      definition=$(complete -p setpoint); function=\${definition#*-F }; "\${function%% *}"
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', script], { cwd: project.dir, env: project.env, encoding: 'utf8' })
      .split('\n')
      .map((word) => word.trim())
      .filter((word) => word !== '');
  };
  expect(complete('setpoint', 'sta')).toEqual(['start', 'status']);
  expect(complete('setpoint', 'restart', 'w')).toEqual(['web']);
  expect(complete('setpoint', 'logs', '--fol')).toEqual(['--follow']);
  expect(complete('setpoint', 'status', '--format', '')).toEqual(['json', 'text'].sort().reverse());
  await project.ok('up', '-d');
  expect(complete('setpoint', 'stop', '').sort()).toEqual(['db', 'web']);
});

test('init writes a manifest that goes up, and does not overwrite one', async (ctx) => {
  const project = newProject(ctx, {});
  await project.ok('init');
  expect(await project.run(['init'])).toMatchObject({ status: 1 });
  await project.ok('check');
  await project.ok('up', '-d', '--wait');
  await project.ok('down');
});
