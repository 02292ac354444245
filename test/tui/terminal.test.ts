import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest';
import { processesWith } from '../rig/processes.ts';
import { CLI, newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';
import { TuiTerminal } from './rig.ts';

let folder = '';
let entry = '';

beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'tui-')));
  entry = join(folder, 'entry.cjs');
  await build({
    entryPoints: [resolve(import.meta.dirname, 'entry.ts')],
    outfile: entry,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    logLevel: 'warning',
  });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MANIFEST = `
services:
  db: { command: 'echo the db is here; exec sleep 1000' }
  web: { command: 'for i in 1 2 3; do echo line $i of the web; done; echo "{ok,b} 漢字" ; exec sleep 1000', depends_on: [db] }
  shell: { command: [sh, -i], tty: true, stop: { signal: SIGHUP } }
`;

interface Shown {
  readonly project: TestProject;
  readonly terminal: TuiTerminal;
}

function command(project: TestProject): string {
  return `node '${entry}' '${CLI}' '${project.socket() ?? ''}' '${join(project.dir, 'setpoint.yaml')}'`;
}

async function shown(
  ctx: TestContext,
  manifest = MANIFEST,
  options: { readonly lease?: true; readonly size?: readonly [number, number]; readonly env?: string } = {},
): Promise<Shown> {
  const project = newProject(ctx, { 'setpoint.yaml': manifest });
  const [columns, rows] = options.size ?? [120, 40];
  const terminal = new TuiTerminal(ctx, project, columns, rows);
  await project.ok('up', '-d', '--wait');
  terminal.run(`${options.env ?? ''} ${command(project)} ${options.lease === true ? 'lease' : ''}`);
  await terminal.shows(/^│ ● \S+ +running/m);
  return { project, terminal };
}

describe.each([
  [80, 24],
  [120, 40],
  [200, 60],
])('on a terminal of %d by %d', (columns, rows) => {
  test('services and logs are there, every row as wide as the screen, and leaving restores what was before', async (ctx) => {
    const { project, terminal } = await shown(ctx, MANIFEST, { size: [columns, rows] });
    const screen = await terminal.shows(/line 3 of the web/);
    expect(screen).toMatch(/● db +running/);
    expect(screen).toMatch(/\{ok,b\} 漢字/);
    expect(screen).toMatch(/shop {2}3 services/);
    const framed = screen.split('\n').filter((line) => /^[│┌└]/.test(line));
    expect(framed.length).toBeGreaterThanOrEqual(rows - 2);
    for (const line of framed) expect(line).toMatch(/[│┐┘]$/);
    terminal.press('q');
    const after = await terminal.shows(/^status=\d+$/m);
    expect(after).toMatch(/^ended: detached$/m);
    expect(after).not.toMatch(/┌ services/);
    expect((await project.instances()).every(({ state }) => state.kind === 'running')).toBe(true);
  });
});

test('keys stop, start, restart and scale the selected service', async (ctx) => {
  const { project, terminal } = await shown(ctx);
  terminal.press('G');
  await terminal.shows(/┌ web /);
  const first = await project.pidOf('web.1');
  terminal.press('r');
  await eventually('another process', async () => (await project.pidOf('web.1')) !== first);
  terminal.press('x');
  await terminal.shows(/○ web +stopped/);
  terminal.press('s');
  await terminal.shows(/● web +running/);
  terminal.press('+');
  await terminal.shows(/● web\.2 +running/);
  terminal.press('-');
  await terminal.shows(/● web +running/);
  terminal.press('q');
  await terminal.shows(/ended: detached/);
});

test('with the lease, q brings the project down and shows who blocks; q again skips the grace period', async (ctx) => {
  const mule = `
services:
  db: { command: exec sleep 1000 }
  mule: { command: [node, -e, "process.on('SIGTERM', () => {}); console.log('mule is ready'); setInterval(() => {}, 1000)"], depends_on: [db], stop: { grace: 90s } }
`;
  const { project, terminal } = await shown(ctx, mule, { lease: true });
  await terminal.shows(/mule is ready/);
  terminal.press('q');
  await terminal.shows(/mule +SIGTERM sent, \d+ s left/);
  await terminal.shows(/db +waits for mule/);
  await terminal.shows(/q again: skip the grace periods/);
  terminal.press('C-c');
  expect(await terminal.shows(/^status=\d+$/m)).toMatch(/ended: quit/);
  terminal.close();
  await project.nothingIsLeft();
});

test('with the lease, d leaves the project running and a closed terminal ends it', async (ctx) => {
  const { project, terminal } = await shown(ctx, MANIFEST, { lease: true });
  await terminal.shows(/line 3 of the web/);
  terminal.press('d');
  await terminal.shows(/ended: detached/);
  expect((await project.instance('web.1'))?.state.kind).toBe('running');
  terminal.run(`${command(project)} lease`);
  await terminal.shows(/line 3 of the web/);
  terminal.close();
  await project.nothingIsLeft();
});

test('a search, a filter and a jump between matches', async (ctx) => {
  const { terminal } = await shown(ctx);
  await terminal.shows(/line 3 of the web/);
  terminal.press('/');
  terminal.write('line [12]');
  terminal.press('Enter');
  await terminal.shows(/\/line \[12\]\/ 2 of 2/);
  terminal.press('N');
  await terminal.shows(/\/line \[12\]\/ 1 of 2/);
  terminal.press('f');
  terminal.write('(a+)+');
  await terminal.shows(/can take for ever/);
  terminal.press('C-u');
  terminal.write('the db');
  terminal.press('Enter');
  const filtered = await terminal.shows(/only \/the db\/ \(1\)/);
  expect(filtered).not.toMatch(/of the web/);
});

test('views: explanation, plan, events, graph, timeline, help and all commands by name', async (ctx) => {
  const { project, terminal } = await shown(ctx);
  terminal.press('e');
  await terminal.shows(/db has been running/);
  terminal.press('p');
  await terminal.shows(/Nothing to do/);
  project.write('setpoint.yaml', MANIFEST.replace('db is here', 'db is there'));
  terminal.press('p');
  terminal.press('p');
  await terminal.shows(/~ db +replace/);
  terminal.press('A');
  await terminal.shows(/Nothing to do/);
  await terminal.shows(/in sync/);
  terminal.press('Escape');
  await terminal.shows(/│ the db is there/);
  terminal.press('E');
  await terminal.shows(/manifest applied/);
  terminal.press('D');
  await terminal.shows(/└─ ● db {2}started/);
  terminal.press('L');
  await terminal.shows(/settled/);
  terminal.press('?');
  await terminal.shows(/a page up/);
  terminal.press(':');
  terminal.write('expl');
  await terminal.shows(/details +explain the selected service/);
  terminal.press('Enter');
  await terminal.shows(/explained/);
});

test('a manifest with errors is told of, with its place', async (ctx) => {
  const { project, terminal } = await shown(ctx);
  project.write('setpoint.yaml', `${MANIFEST}  bad: { comand: x }\n`);
  terminal.press('A');
  await terminal.shows(/unknown key `comand`/);
  await terminal.shows(/✖ \d errors? \(m\)/);
  expect((await project.instances()).every(({ state }) => state.kind === 'running')).toBe(true);
});

test('a service with a terminal is typed into, and left by its detach keys', async (ctx) => {
  const { project, terminal } = await shown(ctx);
  terminal.press('j');
  await terminal.shows(/┌ shell /);
  terminal.press('i');
  await terminal.shows(/ctrl-p ctrl-q comes back/);
  terminal.write('echo $((6 * 7)) is the answer; stty size');
  terminal.press('Enter');
  await terminal.shows(/^42 is the answer/m);
  await terminal.shows(/^40 120/m);
  terminal.press('C-p');
  terminal.press('C-q');
  await terminal.shows(/┌ services/);
  expect((await project.instance('shell.1'))?.state.kind).toBe('running');
});

test('the editor gets the terminal and gives it back', async (ctx) => {
  const { project, terminal } = await shown(ctx, MANIFEST, { env: 'EDITOR="sed -i s/1000/2000/"' });
  terminal.press('C-e');
  await terminal.shows(/~ \d changes/);
  expect(project.read('setpoint.yaml')).toContain('sleep 2000');
});

test('Ctrl-Z gives the terminal to the shell, and fg brings the frame back', async (ctx) => {
  const { terminal } = await shown(ctx);
  terminal.press('C-z');
  await terminal.shows(/(?:Stopped|Suspended)/);
  expect(terminal.screen()).not.toMatch(/┌ services/);
  terminal.write('fg');
  terminal.press('Enter');
  await terminal.shows(/┌ services/);
  terminal.press('q');
  await terminal.shows(/ended: detached/);
});

test('SIGTERM restores the terminal, and kill -9 harms no service', async (ctx) => {
  const { project, terminal } = await shown(ctx);
  const tui = (): number => {
    const found = processesWith(project.dir).find(
      ({ command }) => command.includes(entry) && command.startsWith('node'),
    );
    if (found === undefined) throw new Error('the TUI does not run');
    return found.pid;
  };
  process.kill(tui(), 'SIGTERM');
  const after = await terminal.shows(/ended: signal/);
  expect(after).not.toMatch(/┌ services/);
  terminal.run('stty -a');
  expect(await terminal.shows(/^status=0$/m)).toMatch(/(?<!-)\bicanon\b/);
  terminal.run(command(project));
  await terminal.shows(/┌ services/);
  process.kill(tui(), 'SIGKILL');
  await eventually(
    'the TUI to be gone',
    () => !processesWith(project.dir).some(({ command }) => command.includes(entry)),
  );
  expect((await project.instances()).every(({ state }) => state.kind === 'running')).toBe(true);
});

test('a daemon that is killed comes back, the services and the lines shown are the same ones', async (ctx) => {
  const { project, terminal } = await shown(ctx);
  await terminal.shows(/line 3 of the web/);
  const pid = await project.pidOf('web.1');
  const daemon = await project.killDaemon();
  await terminal.shows(/it is back and took over what still runs/);
  const screen = await terminal.shows(/● web +running/);
  expect(screen.match(/line 3 of the web/g)).toHaveLength(1);
  expect(await project.pidOf('web.1')).toBe(pid);
  expect(await project.daemonPid()).not.toBe(daemon);
});

test('a flood of output leaves the keys alone', async (ctx) => {
  const flood = `
services:
  flood: { command: "exec yes 'a flooding line with {braces} in it'", log: { max_size: 1mb } }
  calm: { command: 'echo calm; exec sleep 1000' }
`;
  const { terminal } = await shown(ctx, flood);
  await terminal.shows(/a flooding line/);
  terminal.press('j');
  await terminal.shows(/┌ flood /);
  terminal.press('k');
  terminal.press('Enter');
  await terminal.shows(/┌ calm ─ logs/);
  terminal.press('q');
  await terminal.shows(/ended: detached/);
});

test('a resize is followed, and a terminal that is too small says so', async (ctx) => {
  const { terminal } = await shown(ctx);
  terminal.resize(80, 24);
  await eventually(
    '24 rows',
    () => terminal.screen().split('\n').length <= 25 && /┌ services/.test(terminal.screen()),
  );
  terminal.resize(20, 5);
  await terminal.shows(/too small/);
  terminal.resize(100, 30);
  await terminal.shows(/┌ services/);
});

test('NO_COLOR leaves no colour behind', async (ctx) => {
  const { terminal } = await shown(ctx, MANIFEST, { env: 'NO_COLOR=1' });
  await terminal.shows(/line 3 of the web/);
  expect(terminal.coloured()).not.toMatch(/\u001b\[[0-9;]*3[1-7]m/);
});
