import { describe, expect, test } from 'vitest';
import { newProject } from '../rig/setpoint.ts';
import { Terminal } from '../rig/terminal.ts';
import { eventually } from '../rig/wait.ts';

const LONG = 'a-service-with-a-name-as-long-as-a-name-can-be-which-is-63-char';
const WORDS = 'a very long complaint '.repeat(20);

const MANIFEST = `
services:
  migrate: { command: sleep 0.3, restart: never }
  web: { command: exec sleep 1000, depends_on: { migrate: completed-successfully } }
  ${LONG}: { command: exec sleep 1000, depends_on: [web] }
`;

const SPINNER = /[⠀-⣿]/;

/** The lines of a screen that hold anything, without the one that was typed. */
function said(screen: string): readonly string[] {
  return screen.split('\n').filter((line) => !/^(?:\$.*)?$/.test(line.trimEnd()));
}

describe.each([
  [80, 24],
  [120, 40],
  [200, 60],
])('on a terminal of %d by %d', (columns, rows) => {
  test('up and down leave one line for each service, and nothing of their displays', async (ctx) => {
    const project = newProject(ctx, { 'setpoint.yaml': MANIFEST });
    const terminal = new Terminal(ctx, project, columns, rows);
    const up = await terminal.run('setpoint up -d --wait');
    expect(up).toMatch(/^status=0$/m);
    expect(up).toMatch(/^ ✔ migrate +completed/m);
    expect(up).toMatch(/^ ✔ web +running/m);
    expect(up).toMatch(/^shop is up: 2 running, 1 completed$/m);
    expect(up).not.toMatch(SPINNER);
    expect(said(up)).toHaveLength(5);

    const status = await terminal.run('setpoint status');
    expect(said(status)).toHaveLength(1 + 1 + 3 + 1);

    const down = await terminal.run('setpoint down');
    expect(down).toMatch(/^status=0$/m);
    expect(down).toMatch(/^Stopped 2 services$/m);
    expect(down).toMatch(/^ ✔ web +stopped/m);
    expect(down).not.toMatch(SPINNER);
    expect(down.match(/\bweb\b/g)).toHaveLength(1);
    expect(said(down).length).toBeLessThanOrEqual(6);
  });
});

test('a failure on a terminal ends with the culprit and its words, each line within the width', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  ${LONG}: { command: 'echo "${WORDS}" >&2; sleep 0.2; exit 3', restart: never }
  web: { command: exec sleep 1000 }
`,
  });
  const terminal = new Terminal(ctx, project, 80, 24);
  const up = await terminal.run('setpoint up -d --wait');
  expect(up).toMatch(/^status=1$/m);
  expect(up).toMatch(/exit 3/);
  expect(up).toContain('a very long complaint');
  const status = await terminal.run('setpoint status');
  expect(said(status)).toHaveLength(5);
});

test('up --plain streams what services write, and Ctrl-C stops them, telling of each', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  web: { command: 'echo hello from the web; exec sleep 1000' }
  db: { command: 'echo hello from the db; exec sleep 1000' }
`,
  });
  const terminal = new Terminal(ctx, project, 80, 24);
  terminal.type('setpoint up --plain');
  const streaming = await terminal.shows(/web +\| hello from the web/);
  expect(streaming).toMatch(/Ctrl-C stops it/);
  await terminal.shows(/db +\| hello from the db/);
  terminal.press('C-c');
  const end = await terminal.shows(/^status=\d+$/m);
  expect(end).toMatch(/^status=0$/m);
  expect(end).toMatch(/^web: stopped/m);
  expect(end).toMatch(/^db: stopped/m);
  expect(end).not.toMatch(SPINNER);
  await terminal.run('true');
  terminal.close();
  await project.nothingIsLeft();
});

test('a shutdown that hangs says who blocks it and counts down', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `
services:
  db: { command: exec sleep 1000 }
  mule: { command: [node, -e, "process.on('SIGTERM', () => {}); console.log('ready'); setInterval(() => {}, 1000)"], depends_on: [db], stop: { grace: 90s } }
`,
  });
  const terminal = new Terminal(ctx, project, 80, 24);
  await project.ok('up', '-d', '--wait');
  await eventually('its handler to stand', () => project.log('mule.1').includes('ready'));
  terminal.type('setpoint down');
  await terminal.shows(/mule +SIGTERM sent, \d+ s left +pid \d+/);
  await terminal.shows(/db +waits for mule/);
  terminal.press('C-c');
  expect(await terminal.shows(/^status=\d+$/m)).toMatch(/^status=0$/m);
});

test('colour is used on a terminal, and NO_COLOR is honoured', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': 'services: {web: {command: exec sleep 1000}}' });
  await project.ok('up', '-d', '--wait');
  const terminal = new Terminal(ctx, project, 80, 24);
  const colours = async (line: string): Promise<boolean> => {
    await terminal.run(line);
    return terminal.coloured().includes('\u001b[32m');
  };
  expect(await colours('setpoint status')).toBe(true);
  expect(await colours('NO_COLOR=1; export NO_COLOR; setpoint status')).toBe(false);
});
