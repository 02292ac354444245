// `npm run bench:supervision [-- --rounds 20 --only setpoint,pm2]`: how long after a crash a service runs again, how long
// after the line that others wait for they are started, how long a new daemon takes to adopt 100 services, and what a
// service that crashes all the time costs. Peers that are on this machine do the first two in the same run.
import { execFileSync, spawnSync } from 'node:child_process';
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { constants, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { find, run } from './peers.mjs';
import { commandOf, cpuMs, sleep, withEnvironment } from './procs.mjs';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '20' }, only: { type: 'string', default: '' } },
});
const rounds = Number(values.rounds);
const only = values.only.split(',').filter(Boolean);
const SETPOINT = resolve(import.meta.dirname, '../../dist/setpoint.cjs');
const LIMIT_MS = 15_000;

const sorted = (list) => [...list].sort((a, b) => a - b);
const quantile = (list, q) => sorted(list)[Math.min(list.length - 1, Math.floor(list.length * q))] ?? NaN;
const ms = (value) => value.toFixed(1).padStart(9);

/** A FIFO into which services write a line as their first deed; lines are stamped as they come. */
class Signals {
  #waiting = [];
  #arrived = [];

  static async open(folder) {
    const signals = new Signals();
    signals.path = join(folder, 'signals');
    execFileSync('mkfifo', [signals.path]);
    signals.handle = await open(signals.path, constants.O_RDWR);
    signals.stream = createReadStream('', { fd: signals.handle.fd, autoClose: false });
    createInterface({ input: signals.stream }).on('line', (line) => {
      const item = { line, at: performance.now() };
      const waiting = signals.#waiting.shift();
      if (waiting === undefined) signals.#arrived.push(item);
      else waiting(item);
    });
    return signals;
  }

  async next() {
    const arrived = this.#arrived.shift();
    if (arrived !== undefined) return arrived;
    let timer;
    const late = new Promise((_, fail) => {
      timer = setTimeout(() => fail(new Error(`no sign of a start within ${LIMIT_MS} ms`)), LIMIT_MS);
    });
    const item = new Promise((done) => this.#waiting.push(done));
    return Promise.race([item, late]).finally(() => clearTimeout(timer));
  }

  close() {
    this.stream.destroy();
    return this.handle.close().catch(() => {});
  }
}

/** How each manager is told of a service that is restarted without a delay, and of two of which one waits for a line. */
const managers = [
  {
    name: 'setpoint',
    available: () => true,
    restarting: ({ folder, script }) =>
      writeFileSync(
        join(folder, 'setpoint.yaml'),
        `services:\n  a: { command: [sh, ${script}], restart: always, backoff: { initial: 0ms, reset_after: 1ms } }\n`,
      ),
    chained: ({ folder, first, second }) =>
      writeFileSync(
        join(folder, 'setpoint.yaml'),
        `services:\n  a: { command: [sh, ${first}] }\n  b: { command: [sh, ${second}], depends_on: { a: { condition: log, pattern: line-to-wait-for } } }\n`,
      ),
    start: ({ folder, env }) => run([process.execPath, SETPOINT, 'up', '-d'], { cwd: folder, env }),
    stop: ({ folder, env }) => spawnSync(process.execPath, [SETPOINT, 'down'], { cwd: folder, env }),
  },
  {
    name: 'process-compose',
    available: () => find('process-compose') !== undefined,
    restarting: ({ folder, script }) =>
      writeFileSync(
        join(folder, 'process-compose.yaml'),
        `version: "0.5"\nprocesses:\n  a:\n    command: "exec sh ${script}"\n    availability: { restart: always, backoff_seconds: 0 }\n`,
      ),
    chained: ({ folder, first, second }) =>
      writeFileSync(
        join(folder, 'process-compose.yaml'),
        `version: "0.5"\nprocesses:\n  a:\n    command: "exec sh ${first}"\n    ready_log_line: line-to-wait-for\n  b:\n    command: "exec sh ${second}"\n    depends_on: { a: { condition: process_log_ready } }\n`,
      ),
    start: ({ folder, env }) =>
      run([find('process-compose'), 'up', '-t=false', '-p', String(4_900 + (process.pid % 90))], {
        cwd: folder,
        env,
      }),
  },
  {
    name: 'pm2',
    available: () => find('pm2') !== undefined,
    restarting: ({ folder, script, env }) => {
      const apps = [
        { name: 'a', script: '/bin/sh', args: [script], interpreter: 'none', max_restarts: 1_000_000 },
      ];
      writeFileSync(join(folder, 'pm2.json'), JSON.stringify({ apps }));
      env.PM2_HOME = join(folder, 'pm2');
    },
    start: ({ folder, env }) => run([find('pm2'), 'start', 'pm2.json'], { cwd: folder, env }),
    stop: ({ folder, env }) => spawnSync(find('pm2'), ['kill'], { cwd: folder, env }),
  },
  {
    name: 's6-svscan',
    available: () => find('s6-svscan') !== undefined,
    restarting: ({ folder, script }) => {
      mkdirSync(join(folder, 'scan', 'a'), { recursive: true });
      writeFileSync(join(folder, 'scan', 'a', 'run'), `#!/bin/sh\nexec sh ${script}\n`, { mode: 0o755 });
    },
    start: ({ folder, env }) => run([find('s6-svscan'), join(folder, 'scan')], { cwd: folder, env }),
  },
];

/** Runs `body` with a folder, an environment and signals of its own; ends what carries the environment's mark. */
async function world(name, body) {
  const folder = mkdtempSync(join(tmpdir(), `bench-${name}-`));
  const mark = `${process.pid}-${name}-${Math.random()}`;
  const env = {
    ...process.env,
    SETPOINT_BENCH: mark,
    HOME: folder,
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_RUNTIME_DIR: join(folder, 'run'),
    XDG_CACHE_HOME: join(folder, 'cache'),
  };
  delete env.NODE_EXTRA_CA_CERTS;
  mkdirSync(env.XDG_RUNTIME_DIR, { mode: 0o700 });
  const signals = await Signals.open(folder);
  try {
    return await body({ folder, env, mark, signals });
  } finally {
    await signals.close();
    await endAll(mark);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Ends what carries the mark. */
async function endAll(mark) {
  for (let pids = marked(mark); pids.length > 0; pids = marked(mark)) {
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    }
    await sleep(20);
  }
}

const marked = (mark) => withEnvironment(`SETPOINT_BENCH=${mark}`).filter((pid) => pid !== process.pid);

/** Kills the service's process again and again; ms from the kill to the first deed of the next one. */
const crashToRestart = (manager) =>
  world(manager.name, async (at) => {
    const script = join(at.folder, 'service.sh');
    writeFileSync(script, `echo $$ > ${at.signals.path}\nexec sleep 100000\n`);
    manager.restarting({ ...at, script });
    manager.start(at);
    let { line } = await at.signals.next();
    const took = [];
    for (let round = 0; round < rounds; round += 1) {
      // A process that ended too soon after its start counts as one that never ran for some of the peers.
      await sleep(1_200);
      const killed = performance.now();
      process.kill(Number(line), 'SIGKILL');
      const next = await at.signals.next();
      took.push(next.at - killed);
      line = next.line;
    }
    manager.stop?.(at);
    return took;
  });

/** Ms from the line in the first service's output to the second one's first deed. */
const lineToDependent = (manager) =>
  world(manager.name, async (at) => {
    const took = [];
    for (let round = 0; round < Math.min(rounds, 8); round += 1) {
      const [first, second] = ['first.sh', 'second.sh'].map((name) => join(at.folder, name));
      writeFileSync(
        first,
        `sleep 1; echo first > ${at.signals.path}; echo line-to-wait-for; exec sleep 100000\n`,
      );
      writeFileSync(second, `echo second > ${at.signals.path}\nexec sleep 100000\n`);
      manager.chained({ ...at, first, second });
      manager.start(at);
      const stamps = [await at.signals.next(), await at.signals.next()];
      took.push(stamps[1].at - stamps[0].at);
      manager.stop?.(at);
      await endAll(at.mark);
    }
    return took;
  });

const daemonOf = (mark) => marked(mark).find((pid) => commandOf(pid).includes('__daemon'));

/** Ms of a `status` that finds a daemon, and of one that has to bring it back and have it adopt 100 services. */
const adoption = () =>
  world('adoption', async ({ folder, env, mark }) => {
    const services = Array.from({ length: 100 }, (_, i) => `  s${i}: { command: [sleep, "100000"] }\n`);
    writeFileSync(join(folder, 'setpoint.yaml'), `services:\n${services.join('')}`);
    const setpoint = (...args) => {
      const began = performance.now();
      const done = spawnSync(process.execPath, [SETPOINT, ...args], { cwd: folder, env, encoding: 'utf8' });
      if (done.status !== 0) throw new Error(`${args.join(' ')}: ${done.stderr}`);
      return { took: performance.now() - began, text: done.stdout };
    };
    setpoint('up', '-d', '--wait');
    const plain = [];
    const back = [];
    for (let round = 0; round < Math.min(rounds, 8); round += 1) {
      plain.push(setpoint('status').took);
      process.kill(daemonOf(mark), 'SIGKILL');
      await sleep(100);
      const { took, text } = setpoint('status');
      if ((text.match(/^s\d+ +running/gm) ?? []).length !== 100) throw new Error(`not all adopted:\n${text}`);
      back.push(took);
    }
    setpoint('down');
    return { plain, back };
  });

/** What a service that ends at once, and is restarted at once, costs in 5 s; and how the API answers meanwhile. */
const crashLoop = () =>
  world('crash-loop', async ({ folder, env, mark }) => {
    writeFileSync(
      join(folder, 'setpoint.yaml'),
      'services:\n  loop: { command: ["false"], restart: always, backoff: { initial: 0ms } }\n  other: { command: [sleep, "100000"] }\n',
    );
    spawnSync(process.execPath, [SETPOINT, 'up', '-d'], { cwd: folder, env });
    await sleep(1_000);
    const pid = daemonOf(mark);
    const socketPath = readFileSync('/proc/net/unix', 'utf8')
      .split('\n')
      .map((line) => line.split(' ').at(-1))
      .find((path) => path.startsWith(env.XDG_RUNTIME_DIR));
    const ask = () =>
      new Promise((done, fail) => {
        const began = performance.now();
        request({ socketPath, path: '/v1/status', agent: false }, (response) => {
          let text = '';
          response.on('data', (piece) => (text += piece));
          response.on('end', () => done({ took: performance.now() - began, text }));
        })
          .on('error', fail)
          .end();
      });
    const restarts = async () =>
      JSON.parse((await ask()).text).services.find((s) => s.id === 'loop').instances[0].restarts;
    const [cpu, count, began] = [cpuMs(pid), await restarts(), performance.now()];
    const latency = [];
    while (performance.now() - began < 5_000) {
      latency.push((await ask()).took);
      await sleep(10);
    }
    const seconds = (performance.now() - began) / 1_000;
    const rate = ((await restarts()) - count) / seconds;
    const share = (cpuMs(pid) - cpu) / seconds / 10;
    spawnSync(process.execPath, [SETPOINT, 'down'], { cwd: folder, env });
    return { latency, rate, share };
  });

const wanted = managers.filter((m) => (only.length === 0 || only.includes(m.name)) && m.available());
console.log(`Node ${process.version}, ${execFileSync('nproc').toString().trim()} cores, ${rounds} rounds`);
for (const [title, kind, measure] of [
  ['crash to restart, no backoff', 'restarting', crashToRestart],
  ['line in the log to start of the dependent', 'chained', lineToDependent],
]) {
  console.log(`\n${title.padEnd(44)}${'median ms'.padStart(9)}${'p90'.padStart(9)}${'max'.padStart(9)}`);
  const medians = new Map();
  for (const manager of wanted.filter((m) => m[kind] !== undefined)) {
    try {
      const took = await measure(manager);
      medians.set(manager.name, quantile(took, 0.5));
      console.log(
        `  ${manager.name.padEnd(42)}${ms(quantile(took, 0.5))}${ms(quantile(took, 0.9))}${ms(Math.max(...took))}`,
      );
    } catch (error) {
      console.log(`  ${manager.name.padEnd(42)} ${error.message}`);
    }
  }
  const own = medians.get('setpoint');
  medians.delete('setpoint');
  if (own !== undefined && medians.size > 0)
    console.log(`  setpoint / fastest peer: ${(own / Math.min(...medians.values())).toFixed(2)}`);
}
if (only.length === 0 || only.includes('setpoint')) {
  const { plain, back } = await adoption();
  console.log(
    `\n\`status\` with 100 services: ${quantile(plain, 0.5).toFixed(0)} ms; after kill -9 of the daemon, adoption included: ${quantile(back, 0.5).toFixed(0)} ms`,
  );
  const { latency, rate, share } = await crashLoop();
  console.log(
    `a service that crashes all the time: ${rate.toFixed(0)} restarts/s, daemon at ${share.toFixed(0)} % of one core, API p50 ${quantile(latency, 0.5).toFixed(1)} ms, p99 ${quantile(latency, 0.99).toFixed(1)} ms`,
  );
}
