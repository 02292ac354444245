// `npm run bench:tui [-- --floods 2 --keys 60 --seconds 10 --only setpoint]`: the TUIs of managers side by side, each in a
// terminal of tmux, while services write as fast as they can. How long from a key to the screen it asks for (another
// service's lines), how much of a core the program that draws takes meanwhile, and what it holds in memory.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { find } from './peers.mjs';
import { commandOf, cpuMs, memoryMiB, sleep, withEnvironment } from './procs.mjs';

const { values } = parseArgs({
  options: {
    floods: { type: 'string', default: '2' },
    keys: { type: 'string', default: '60' },
    seconds: { type: 'string', default: '10' },
    only: { type: 'string' },
  },
});
const floods = Number(values.floods);
const keys = Number(values.keys);
const seconds = Number(values.seconds);
const SETPOINT = resolve(import.meta.dirname, '../../dist/setpoint.cjs');
const LIMIT_MS = 20_000;
/** What the service that does not flood has written; its lines are on screen where this is. */
const CALM = 'calm-and-quiet';
const LINE = 'a line of the flood, as long as the lines of a log tend to be: GET /items/4711 200 3 ms';

const names = Array.from({ length: floods }, (_, i) => `flood${i + 1}`);

/** How each is started, and which keys go to the next service and back. The calm service is the first one. */
const PEERS = [
  {
    name: 'setpoint',
    program: SETPOINT,
    prepare: (folder) => {
      const lines = names.map(
        (name) => `  ${name}: { command: "exec yes '${LINE}'", log: { max_size: 1mb } }`,
      );
      const calm = `  calm: { command: 'echo ${CALM}; exec sleep 1000' }`;
      writeFileSync(join(folder, 'setpoint.yaml'), `services:\n${[calm, ...lines].join('\n')}\n`);
      return `${SETPOINT} up`;
    },
    // Its logs of one service, with the keys in the list.
    first: ['Enter', 'Tab'],
    next: 'j',
    back: 'k',
    draws: (command) => / up$/.test(command),
    helps: (command) => command.includes('__daemon'),
    quit: ['q'],
  },
  {
    name: 'process-compose',
    program: find('process-compose'),
    prepare: (folder) => {
      const lines = names.map((name) => `  ${name}:\n    command: "exec yes '${LINE}'"\n`);
      const calm = `  calm:\n    command: "echo ${CALM}; exec sleep 1000"\n`;
      writeFileSync(
        join(folder, 'process-compose.yaml'),
        `version: "0.5"\nprocesses:\n${[calm, ...lines].join('')}`,
      );
      return `${find('process-compose')} up -p ${4900 + (process.pid % 90)} -f process-compose.yaml`;
    },
    // It shows nothing of the one that is selected at first until another one was.
    first: ['Down', 'Up'],
    next: 'Down',
    // Under a flood it may never show a line; whose they would be stands above them.
    isCalm: (screen) => screen.includes('─calm─'),
    isFlood: (screen) => screen.includes('─flood1─'),
    back: 'Up',
    draws: (command) => command.includes('process-compose'),
    helps: () => false,
    quit: ['F10', 'Enter'],
  },
  {
    name: 'mprocs',
    program: find('mprocs'),
    prepare: (folder) => {
      const lines = names.map((name) => `  ${name}:\n    cmd: ["yes", "${LINE}"]\n`);
      const calm = `  calm:\n    shell: "echo ${CALM}; exec sleep 1000"\n`;
      writeFileSync(join(folder, 'mprocs.yaml'), `procs:\n${[calm, ...lines].join('')}`);
      return `${find('mprocs')} --config mprocs.yaml`;
    },
    first: [],
    next: 'j',
    back: 'k',
    draws: (command) => /(^|\/)mprocs /.test(command),
    helps: () => false,
    quit: ['q'],
  },
];

let servers = 0;

/** A terminal of tmux that is spoken to in control mode: neither keys nor looks at the screen start a process. */
class Terminal {
  #name = `bench-tui-${process.pid}-${(servers += 1)}`;
  #waiting = [];
  #block = undefined;

  constructor(folder, env, command) {
    const size = ['-x', '120', '-y', '40'];
    execFileSync('tmux', ['-L', this.#name, '-f', '/dev/null', 'new-session', '-d', ...size, command], {
      cwd: folder,
      env,
    });
    this.control = spawn('tmux', ['-L', this.#name, '-C', 'attach'], {
      env,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.control.stdin.on('error', () => {});
    createInterface({ input: this.control.stdout }).on('line', (line) => this.#hear(line));
    // What the attach itself answers.
    this.ready = new Promise((done) => this.#waiting.push(done));
    this.control.stdin.write('refresh-client -f no-output\n');
    this.set = new Promise((done) => this.#waiting.push(done));
  }

  #hear(line) {
    if (line.startsWith('%begin ')) this.#block = [];
    else if (line.startsWith('%end ') || line.startsWith('%error ')) {
      this.#waiting.shift()?.((this.#block ?? []).join('\n'));
      this.#block = undefined;
    } else this.#block?.push(line);
  }

  ask(command) {
    return new Promise((done) => {
      this.#waiting.push(done);
      this.control.stdin.write(`${command}\n`);
    });
  }

  screen() {
    return this.ask('capture-pane -p');
  }

  async until(what, holds) {
    const since = performance.now();
    for (;;) {
      const screen = await this.screen();
      if (holds(screen)) return performance.now() - since;
      if (performance.now() - since > LIMIT_MS)
        throw new Error(`${what}: not within ${LIMIT_MS} ms\n${screen}`);
    }
  }

  close() {
    try {
      execFileSync('tmux', ['-L', this.#name, 'kill-server'], { stdio: 'ignore' });
    } catch {
      // It is gone already.
    }
    this.control.kill();
  }
}

const quantile = (numbers, q) =>
  [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * q))];

const showsCalm = (screen) => screen.includes(CALM);
const showsFlood = (screen) => !showsCalm(screen) && screen.includes('of the flood');

async function measure(peer) {
  const { isCalm = showsCalm, isFlood = showsFlood } = peer;
  const base = mkdtempSync(join(tmpdir(), 'bench-tui-'));
  const folder = join(base, 'shop');
  for (const path of [folder, join(base, 'run')]) mkdirSync(path, { mode: 0o700 });
  const mark = `BENCH_TUI=${base}`;
  const env = {
    ...process.env,
    BENCH_TUI: base,
    TERM: 'xterm-256color',
    LC_ALL: 'C.UTF-8',
    XDG_STATE_HOME: join(base, 'state'),
    XDG_RUNTIME_DIR: join(base, 'run'),
    XDG_CONFIG_HOME: join(base, 'config'),
  };
  delete env.NODE_EXTRA_CA_CERTS;
  const terminal = new Terminal(folder, env, peer.prepare(folder));
  try {
    await terminal.ready;
    await terminal.set;
    await terminal.until('the first frame', (screen) => screen.includes('calm') && screen.includes('flood1'));
    for (const key of peer.first) await terminal.ask(`send-keys ${key}`);
    await terminal.until('the lines of the calm service', isCalm);
    const latencies = [];
    for (let n = 0; n < keys; n += 1) {
      const [key, what, holds] =
        n % 2 === 0 ? [peer.next, 'the flood', isFlood] : [peer.back, 'calm', isCalm];
      const since = performance.now();
      await terminal.ask(`send-keys ${key}`);
      await terminal.until(what, holds);
      latencies.push(performance.now() - since);
      // So that keys fall on all moments between two frames.
      await sleep(37 + ((n * 13) % 50));
    }
    await terminal.ask(`send-keys ${peer.next}`);
    await terminal.until('the flood', isFlood);
    const pids = withEnvironment(mark);
    const drawing = pids.filter((pid) => peer.draws(commandOf(pid)));
    const helping = pids.filter((pid) => peer.helps(commandOf(pid)));
    const cpu = (of) => of.reduce((sum, pid) => sum + cpuMs(pid), 0);
    const rss = () => drawing.reduce((sum, pid) => sum + memoryMiB(pid, 'Rss'), 0);
    const before = { at: performance.now(), drawing: cpu(drawing), helping: cpu(helping), rss: rss() };
    await sleep(seconds * 1000);
    const ms = performance.now() - before.at;
    const result = {
      name: peer.name,
      p50: quantile(latencies, 0.5),
      p90: quantile(latencies, 0.9),
      cpu: ((cpu(drawing) - before.drawing) / ms) * 100,
      helping: ((cpu(helping) - before.helping) / ms) * 100,
      rssBefore: before.rss,
      rssAfter: rss(),
    };
    for (const key of peer.quit) await terminal.ask(`send-keys ${key}`);
    return result;
  } finally {
    const since = performance.now();
    while (
      withEnvironment(mark).some((pid) => /(^| )(yes|sleep) /.test(commandOf(pid))) &&
      performance.now() - since < 3_000
    )
      await sleep(50);
    terminal.close();
    // What a manager leaves behind is not left on the machine.
    for (const pid of withEnvironment(mark)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended meanwhile.
      }
    }
    rmSync(base, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

const chosen = PEERS.filter(({ name }) => values.only === undefined || values.only.split(',').includes(name));
const results = [];
for (const peer of chosen) {
  if (peer.program === undefined)
    console.log(`${peer.name}: not found on PATH or SETPOINT_BENCH_PATH, left out`);
  else {
    try {
      results.push(await measure(peer));
    } catch (error) {
      console.log(`${peer.name}: ${error instanceof Error ? error.message : error}`);
    }
  }
}
console.log(
  `\n${floods} services flood, ${keys} keys, ${seconds} s of CPU; key to screen in ms, CPU in % of a core\n`,
);
const own = results.find(({ name }) => name === 'setpoint');
const ratio = (value, reference) =>
  own === undefined || reference === 0 ? '' : `x${(value / reference).toFixed(1)}`;
const rows = [
  ['', 'p50', '', 'p90', '', 'CPU', '', '(daemon)', 'RSS MiB', 'after'],
  ...results.map((one) => [
    one.name,
    one.p50.toFixed(1),
    ratio(one.p50, own?.p50),
    one.p90.toFixed(1),
    ratio(one.p90, own?.p90),
    one.cpu.toFixed(1),
    ratio(one.cpu, own?.cpu),
    one.helping.toFixed(1),
    one.rssBefore.toFixed(0),
    one.rssAfter.toFixed(0),
  ]),
];
for (const row of rows)
  console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(16) : cell.padStart(9))).join(''));
