/** The TUI as people meet it: the built program in a terminal of tmux, on services that run. */
import { describe, expect, test } from 'vitest';
import { isRunning, processesWith } from '../rig/processes.ts';
import { eventually } from '../rig/wait.ts';
import { brokenRows, opened, TERMINAL_TEST_MS, tuiPid } from './rig.ts';

const LONG = { timeout: TERMINAL_TEST_MS };

const MANIFEST = `
services:
  db: { command: 'echo the db is here; exec sleep 1000' }
  web: { command: 'seq -f "line %g of the web" 1 3; echo "{ok,b} 漢字"; exec sleep 1000', depends_on: [db], env: { PORT: "8080", API_TOKEN: hunter2-hunter2 } }
  shell: { command: [sh, -i], tty: true, stop: { signal: SIGHUP } }
`;

/** Ignores the polite signal, so that a shutdown has to wait for it. */
const MULE = `
services:
  db: { command: exec sleep 1000 }
  mule: { command: [node, -e, "process.on('SIGTERM', () => {}); console.log('mule is ready'); setInterval(() => {}, 1000)"], depends_on: [db], stop: { grace: 90s } }
`;

describe.each([
  [80, 24],
  [120, 40],
  [200, 60],
])('on a terminal of %d by %d', (columns, rows) => {
  test(
    'services and logs are there, every row as wide as the screen, and leaving restores what was before',
    LONG,
    async (ctx) => {
      const terminal = await opened(ctx, MANIFEST, { size: [columns, rows], command: 'setpoint tui' });
      const screen = await terminal.shows(/line 3 of the web/);
      expect(screen).toMatch(/● db +running/);
      expect(screen).toMatch(/\{ok,b\} 漢字/);
      expect(screen).toMatch(/^ shop {2}(?:3 services|● 3)/);
      expect(brokenRows(screen)).toEqual([]);
      expect(screen.split('\n').filter((line) => /^[│┌└]/.test(line)).length).toBeGreaterThanOrEqual(
        rows - 2,
      );
      terminal.press('q');
      const after = await terminal.ended();
      expect(after).toMatch(/^shop keeps running: 3 running$/m);
      expect(after).not.toMatch(/┌ services/);
      expect(terminal.isAlternate()).toBe(false);
      expect((await terminal.project.instances()).every(({ state }) => state.kind === 'running')).toBe(true);
    },
  );
});

describe('up on a terminal', () => {
  test(
    'q stops the project in order, shows who blocks, and a second time skips the grace periods',
    LONG,
    async (ctx) => {
      const terminal = await opened(ctx, MULE);
      await terminal.shows(/mule is ready/);
      terminal.press('q');
      await terminal.shows(/mule +SIGTERM sent, \d+ s left/);
      await terminal.shows(/db +waits for mule/);
      await terminal.shows(/q again: skip the grace periods/);
      terminal.press('ctrl-c');
      expect(await terminal.ended()).toMatch(/^Stopped shop: 2 instances in [\s\S]*^status=0$/m);
      terminal.close();
      await terminal.project.nothingIsLeft();
    },
  );

  test(
    'its end by kill -9, or by a terminal that is closed, is the end of the project',
    LONG,
    async (ctx) => {
      const terminal = await opened(ctx, MANIFEST);
      const { project } = terminal;
      await terminal.shows(/line 3 of the web/);
      process.kill(tuiPid(project), 'SIGKILL');
      await eventually('the daemon to bring everything down', () => project.daemons().length === 0, 30_000);
      terminal.run('reset; setpoint up');
      await terminal.shows(/● web +running/);
      terminal.close();
      await project.nothingIsLeft();
    },
  );

  test('a second one shows the same project, without a say in its end', LONG, async (ctx) => {
    const first = await opened(ctx, MANIFEST);
    await first.shows(/line 3 of the web/);
    const { project } = first;
    const pid = await project.pidOf('web.1');
    const second = first.another(ctx);
    second.run('setpoint up');
    await second.shows(/● web +running/);
    second.press('q');
    expect(await second.ended()).toMatch(/^shop keeps running: 3 running$/m);
    expect(await project.pidOf('web.1')).toBe(pid);
    first.press('q');
    await first.ended();
    first.close();
    second.close();
    await project.nothingIsLeft();
  });

  test('SIGTERM stops the project as well, in order, on the normal screen', LONG, async (ctx) => {
    const terminal = await opened(ctx, MANIFEST);
    process.kill(tuiPid(terminal.project), 'SIGTERM');
    const after = await terminal.ended();
    expect(after).toMatch(/^web +stopped|web: stopped|✔ web/m);
    expect(terminal.isAlternate()).toBe(false);
    terminal.close();
    await terminal.project.nothingIsLeft();
  });

  test('a service that fails at its start is seen at once, with what it said', LONG, async (ctx) => {
    const terminal = await opened(
      ctx,
      `${MANIFEST}  bad: { command: 'echo cannot bind >&2; exit 3', restart: never }\n`,
    );
    await terminal.shows(/✖ bad +failed/);
    await terminal.shows(/cannot bind/);
    terminal.press('q');
    expect(await terminal.ended()).toMatch(/^bad had failed: exit 3: cannot bind$/m);
  });

  test(
    'a manifest with errors opens nothing: they are printed, and the status says so',
    LONG,
    async (ctx) => {
      const terminal = await opened(ctx, MANIFEST);
      terminal.press('q');
      await terminal.ended();
      terminal.project.write('setpoint.yaml', `${MANIFEST}  bad: { comand: x }\n`);
      terminal.run('setpoint up');
      const screen = await terminal.ended();
      expect(screen).toMatch(/unknown key `comand`/);
      expect(screen).toMatch(/^status=2$/m);
      terminal.close();
      await terminal.project.nothingIsLeft();
    },
  );

  test('--plain, and an output that is no terminal, stream', LONG, async (ctx) => {
    const terminal = await opened(ctx, MANIFEST);
    terminal.press('q');
    await terminal.ended();
    terminal.run('setpoint up --plain');
    await terminal.shows(/web +\| line 3 of the web/);
    terminal.press('ctrl-c');
    await terminal.ended();
    terminal.run('setpoint up >out.txt');
    await eventually('the output', () => /line 3 of the web/.test(terminal.project.read('out.txt')), 30_000);
    terminal.press('ctrl-c');
    await terminal.shows(/status=0$/m);
    expect(terminal.project.read('out.txt')).not.toMatch(/\u001b/);
    terminal.close();
    await terminal.project.nothingIsLeft();
  });
});

describe('the manifest', () => {
  test('an edit is followed, an invalid one changes nothing until it is mended', LONG, async (ctx) => {
    const terminal = await opened(ctx, MANIFEST);
    const { project } = terminal;
    await terminal.shows(/line 3 of the web/);
    await terminal.shows(/✔ in sync/);
    project.write('setpoint.yaml', MANIFEST.replace('line %g of the web', 'row %g of the web'));
    await terminal.shows(/manifest reloaded: web: command/);
    await terminal.shows(/row 3 of the web/);
    const pid = await project.pidOf('web.1');

    project.write('setpoint.yaml', `${MANIFEST}  bad: { comand: x, prot: 1 }\n`);
    await terminal.shows(/✖ 2 errors \(m\)/);
    terminal.press('m');
    const problems = await terminal.shows(/--> setpoint\.yaml:6:\d+/);
    expect(problems).toMatch(/unknown key `comand`/);
    expect(problems).toMatch(/\^{6}/);
    expect(problems).toMatch(/Nothing was changed/);
    expect(await project.pidOf('web.1')).toBe(pid);

    project.write('setpoint.yaml', `${MANIFEST}  more: { command: exec sleep 1000 }\n`);
    await terminal.shows(/✔ in sync/);
    await terminal.shows(/● more +running/);
    await terminal.shows(/the manifest has no problems/);
  });

  test('held for review, an edit waits for A; H turns that on and off', LONG, async (ctx) => {
    const terminal = await opened(ctx, MANIFEST);
    const { project } = terminal;
    await terminal.shows(/✔ in sync/);
    const pid = await project.pidOf('web.1');
    terminal.press('H');
    await terminal.shows(/in sync review/);
    project.write('setpoint.yaml', MANIFEST.replace('8080', '8081'));
    await terminal.shows(/~ 1 change \(p\)/);
    terminal.press('p');
    await terminal.shows(/Held for review: 1 to replace/);
    await terminal.shows(/env\.PORT "8080" -> "8081"/);
    expect(await project.pidOf('web.1')).toBe(pid);
    terminal.press('A');
    await terminal.shows(/✔ in sync review/);
    await eventually('the change', async () => (await project.pidOf('web.1')) !== pid, 30_000);
    terminal.press('H');
    await terminal.hides(/in sync review/);
    const second = await project.pidOf('web.1');
    project.write('setpoint.yaml', MANIFEST.replace('8080', '8082'));
    await eventually('the next change', async () => (await project.pidOf('web.1')) !== second, 30_000);
  });

  test(
    'a change that does not come up is told of, on the first row and where the problems are',
    LONG,
    async (ctx) => {
      const terminal = await opened(ctx, MANIFEST);
      await terminal.shows(/line 3 of the web/);
      terminal.project.write(
        'setpoint.yaml',
        MANIFEST.replace('seq -f', 'exit 7; seq -f').replace('[db],', '[db], restart: never,'),
      );
      await terminal.shows(/✖ web not up as changed/);
      terminal.press('m');
      await terminal.shows(/✖ web did not come up as changed .*\n.* it is left as it is /);
      await terminal.shows(/✖ web +failed/);
      terminal.project.write('setpoint.yaml', MANIFEST);
      await terminal.shows(/● web +running/);
      await terminal.shows(/✔ in sync/);
    },
  );
});

test('details hold the environment with secrets masked, and the processes', LONG, async (ctx) => {
  const terminal = await opened(ctx, MANIFEST, { size: [120, 60] });
  terminal.press('G', 'e');
  await terminal.shows(/API_TOKEN +\*\*\*/);
  const screen = await terminal.shows(/processes/);
  expect(screen).toMatch(/PORT +"8080"/);
  expect(screen).toMatch(/\d+ {2}sleep 1000/);
  expect(screen).not.toMatch(/hunter2/);
  expect(await terminal.project.api('/v1/services/web/explain')).not.toMatch(/hunter2/);
});

test('what services write never breaks the frame', LONG, async (ctx) => {
  const nasty = [
    `'{ok,b} {red-fg}tags{/}'`,
    `'\\033]8;;https://example.invalid\\033\\\\a link\\033]8;;\\033\\\\ and on'`,
    `'10%%\\r50%%\\r100%% done'`,
    `'\\033[2J\\033[5;5Hmoved \\033[31mred\\033[0m'`,
    `'\\033[?1049l\\033[?25h\\033Pq#0;2;0;0;0\\033\\\\six'`,
    `'emoji \\xf0\\x9f\\x91\\xa8\\xe2\\x80\\x8d\\xf0\\x9f\\x91\\xa9 \\xe2\\x9d\\xa4\\xef\\xb8\\x8f flag \\xf0\\x9f\\x87\\xa9\\xf0\\x9f\\x87\\xaa'`,
    `'wide \\xe6\\xbc\\xa2\\xe5\\xad\\x97 half \\xef\\xbd\\xb1 bad \\xed\\xa0\\x80 end'`,
    `'tab\\there\\bx bell\\a vt\\v'`,
  ];
  const script = `${nasty.map((text) => `printf ${text}; echo`).join('\n')}\nhead -c 1000000 /dev/zero | tr '\\000' x\necho\necho all of it is out\nexec sleep 1000\n`;
  const terminal = await opened(ctx, 'services: { nasty: { command: [bash, nasty.sh] } }', {
    files: { 'nasty.sh': script },
  });
  const screen = await terminal.shows(/all of it is out/);
  expect(brokenRows(screen)).toEqual([]);
  expect(screen).toMatch(/\{ok,b\} \{red-fg\}tags\{\/\}/);
  expect(screen).toMatch(/a link and on/);
  expect(screen).toMatch(/100% done/);
  expect(screen).not.toMatch(/50%/);
  expect(screen).toMatch(/wide 漢字 half ｱ bad/);
  expect(screen).toMatch(/moved red/);
  expect(terminal.isAlternate()).toBe(true);
  terminal.press('w');
  expect(brokenRows(await terminal.shows(/lines are wrapped/))).toEqual([]);
});

test('the editor gets the terminal and gives it back, and what was edited is taken up', LONG, async (ctx) => {
  const terminal = await opened(ctx, MANIFEST, { env: { EDITOR: 'sed -i s/1000/2000/' } });
  terminal.press('ctrl-e');
  await terminal.shows(/manifest reloaded:/);
  await terminal.shows(/┌ services/);
  expect(terminal.project.read('setpoint.yaml')).toContain('sleep 2000');
});

test(
  'signals and kill -9 harm no service, and after a signal the terminal is as it was',
  LONG,
  async (ctx) => {
    const terminal = await opened(ctx, MANIFEST, { command: 'setpoint tui' });
    const { project } = terminal;
    process.kill(tuiPid(project), 'SIGTERM');
    await terminal.ended();
    expect(terminal.isAlternate()).toBe(false);
    terminal.run('setpoint tui');
    await terminal.shows(/┌ services/);
    process.kill(tuiPid(project), 'SIGQUIT');
    await terminal.ended();
    expect(terminal.isAlternate()).toBe(false);
    terminal.run('stty -a');
    expect(await terminal.shows(/^status=0$/m)).toMatch(/(?<!-)\bicanon\b/);
    terminal.run('setpoint tui');
    await terminal.shows(/┌ services/);
    const pid = tuiPid(project);
    process.kill(pid, 'SIGKILL');
    await eventually('the TUI to be gone', () => !isRunning(pid), 30_000);
    expect((await project.instances()).every(({ state }) => state.kind === 'running')).toBe(true);
  },
);

test(
  'a daemon that is killed comes back, with the lease, the same services and the same lines',
  LONG,
  async (ctx) => {
    const terminal = await opened(ctx, MANIFEST);
    const { project } = terminal;
    await terminal.shows(/line 3 of the web/);
    const pid = await project.pidOf('web.1');
    const daemon = await project.killDaemon();
    await terminal.shows(/it is back and took over what still runs/);
    const screen = await terminal.shows(/● web +running/);
    expect(screen.match(/line 3 of the web/g)).toHaveLength(1);
    expect(brokenRows(screen)).toEqual([]);
    expect(await project.pidOf('web.1')).toBe(pid);
    expect(await project.daemonPid()).not.toBe(daemon);
    terminal.press('q');
    await terminal.ended();
    terminal.close();
    await project.nothingIsLeft();
  },
);

test('a project that somebody else brings down says why', LONG, async (ctx) => {
  const terminal = await opened(ctx, MANIFEST);
  await terminal.project.ok('down', '--reason', 'going home');
  const screen = await terminal.ended();
  expect(screen).toMatch(/shop was brought down: going home/);
  expect(terminal.isAlternate()).toBe(false);
});

test('a resize is followed, and a terminal that is too small says so', LONG, async (ctx) => {
  const terminal = await opened(ctx, MANIFEST);
  terminal.resize(80, 24);
  // The panes stand above one another now.
  await terminal.shows(/^┌ all services ─ logs/m);
  expect(brokenRows(terminal.screen())).toEqual([]);
  terminal.resize(20, 5);
  await terminal.shows(/too small/);
  terminal.resize(200, 60);
  expect(brokenRows(await terminal.shows(/┐┌ all services ─ logs/))).toEqual([]);
});

test(
  'the mouse selects and scrolls, and what is pasted goes into the line that is typed',
  LONG,
  async (ctx) => {
    const terminal = await opened(ctx, MANIFEST);
    await terminal.shows(/┌ db ─/);
    // A report of the left button at column 5, row 5: the third service. SGR form, xterm's ctlseqs.
    terminal.write('\u001b[<0;5;5M\u001b[<0;5;5m');
    await terminal.shows(/┌ web ─/);
    terminal.write('\u001b[<64;90;10M');
    await terminal.shows(/logs ─ \d+ of \d+/);
    terminal.press('/');
    terminal.write('\u001b[200~line 2\u001b[201~');
    await terminal.shows(/^ search: line 2/m);
    terminal.press('enter');
    await terminal.shows(/\/line 2\/ 1 of 1/);
  },
);

test('settings remap keys and choose a theme; what is wrong in them is said', LONG, async (ctx) => {
  const settings = '{ "keys": { "help": ["K"], "stpo": "x" }, "theme": "light", "timestamps": false }';
  const terminal = await opened(ctx, MANIFEST, { files: { '.config/setpoint/tui.json': settings } });
  await terminal.shows(/there is no action "stpo"/);
  terminal.press('K');
  await terminal.shows(/┌ keys ─ K closes/);
  // The light theme's accent is blue, which the dark one's is not.
  expect(terminal.coloured()).toMatch(/\u001b\[[0-9;]*34m/);
  expect(terminal.coloured()).not.toMatch(/\u001b\[[0-9;]*36m┌/);
});

test('NO_COLOR leaves no colour behind, and a light background is seen', LONG, async (ctx) => {
  const plain = await opened(ctx, MANIFEST, { env: { NO_COLOR: '1' } });
  await plain.shows(/line 3 of the web/);
  expect(plain.coloured()).not.toMatch(/\u001b\[[0-9;]*3[1-7]m/);
  const light = plain.another(ctx, { NO_COLOR: '', COLORFGBG: '0;15' });
  light.run('setpoint tui');
  await light.shows(/● web +running/);
  expect(light.coloured()).toMatch(/\u001b\[[0-9;]*34m/);
});

test('a flood of output leaves the keys alone', LONG, async (ctx) => {
  const flood = `
services:
  flood: { command: "exec yes 'a flooding line with {braces} in it'", log: { max_size: 1mb } }
  calm: { command: 'echo calm; exec sleep 1000' }
`;
  const terminal = await opened(ctx, flood);
  await terminal.shows(/a flooding line/);
  terminal.press('j');
  await terminal.shows(/┌ flood /);
  terminal.press('k', 'enter');
  expect(brokenRows(await terminal.shows(/┌ calm ─ logs/))).toEqual([]);
  terminal.press('q');
  await terminal.ended();
  expect(processesWith(terminal.project.dir).some(({ command }) => command.startsWith('yes'))).toBe(false);
});
