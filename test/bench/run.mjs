// `npm run bench [-- --count 100 --rounds 3 --only setpoint,mprocs]`: starts, watches and stops the same services under
// Setpoint and under each peer that is on this machine, one after another in the same run, and prints the ratios.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { peers } from './peers.mjs';
import {
  commandOf,
  Counter,
  cpuMs,
  memoryMiB,
  sleep,
  until,
  withArguments,
  withEnvironment,
} from './procs.mjs';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    'idle-seconds': { type: 'string', default: '10' },
  },
});
const count = Number(values.count);
const rounds = Number(values.rounds);
const idleSeconds = Number(values['idle-seconds']);
const only = values.only.split(',').filter(Boolean);
const LIMIT_MS = 20_000;
const SETPOINT = resolve(import.meta.dirname, '../../dist/setpoint.cjs');

const cache = mkdtempSync(join(tmpdir(), 'bench-cache-'));
process.on('exit', () => rmSync(cache, { recursive: true, force: true }));

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? NaN;
const spread = (list) => `${Math.round(Math.min(...list))}..${Math.round(Math.max(...list))}`;

/** One peer, one round. Services are told from others by an argument that nobody else uses. */
async function measure(peer, round) {
  const folder = mkdtempSync(join(tmpdir(), `bench-${peer.name}-`));
  const mark = `SETPOINT_BENCH=${process.pid}-${peer.name}-${round}`;
  const argv = ['sleep', String(100_000 + process.pid * 10 + round)];
  const env = {
    ...process.env,
    [mark.split('=')[0]]: mark.split('=')[1],
    HOME: folder,
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_RUNTIME_DIR: join(folder, 'run'),
    // One for all rounds: a program that was started before is what people start.
    XDG_CACHE_HOME: cache,
  };
  delete env.NODE_EXTRA_CA_CERTS;
  mkdirSync(env.XDG_RUNTIME_DIR, { mode: 0o700 });
  const bench = { folder, argv, count, env };
  const counter = new Counter(argv);
  const live = () => counter.live();
  const result = {};
  try {
    let began = performance.now();
    peer.start(bench);
    result.start = await until(`${peer.name} starts`, () => live() >= count, began, LIMIT_MS);
    // What a start leaves to be done afterwards is not idling.
    await sleep(round === 0 ? 4_000 : 500);
    if (round === 0) Object.assign(result, await atRest(peer, mark, argv));
    if (round === 0 && peer.name === 'setpoint') Object.assign(result, coldStart(bench));
    began = performance.now();
    const stopped = peer.stop(bench);
    result.stop = await until(`${peer.name} stops`, () => live() === 0, began, LIMIT_MS);
    await Promise.race([stopped, sleep(5_000)]);
  } catch (error) {
    result.failed = error.message;
  }
  await sleep(200);
  const left = withEnvironment(mark).filter((pid) => pid !== process.pid);
  result.left = withArguments(argv).length;
  for (const pid of left) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  return result;
}

/** Memory and CPU of the manager alone: neither the services nor, for Setpoint, their launchers, which are listed apart. */
async function atRest(peer, mark, argv) {
  const carrying = withEnvironment(mark);
  const managers = carrying.filter((pid) => peer.isManager(commandOf(pid)));
  const services = withArguments(argv);
  const launchers = carrying.filter((pid) => !managers.includes(pid) && !services.includes(pid));
  const before = managers.map(cpuMs);
  await sleep(idleSeconds * 1_000);
  const idle = managers.reduce((sum, pid, i) => sum + cpuMs(pid) - before[i], 0);
  const sum = (list, kind) => list.reduce((total, pid) => total + memoryMiB(pid, kind), 0);
  return { rss: sum(managers, 'Rss'), launchers: sum(launchers, 'Pss'), idle };
}

function coldStart({ folder, env }) {
  const time = (argv) => {
    const list = [];
    for (let i = 0; i < 15; i += 1) {
      const began = performance.now();
      const done = spawnSync(process.execPath, argv, { cwd: folder, env, stdio: 'pipe' });
      if (done.status !== 0) throw new Error(`${argv.join(' ')} failed: ${done.stderr}`);
      list.push(performance.now() - began);
    }
    return list;
  };
  return { bare: time(['-e', '0']), status: time([SETPOINT, 'status']) };
}

const chosen = peers.filter((peer) => (only.length === 0 || only.includes(peer.name)) && peer.available());
const missing = peers.filter((peer) => !peer.available()).map((peer) => peer.name);
console.log(
  `${count} x \`sleep\`, ${rounds} rounds, Node ${process.version}, ${execFileSync('nproc').toString().trim()} cores`,
);
if (missing.length > 0) console.log(`not on this machine: ${missing.join(', ')}`);
const table = [];
let cold;
for (const peer of chosen) {
  const results = [];
  for (let round = 0; round < rounds; round += 1) results.push(await measure(peer, round));
  const good = results.filter((r) => r.failed === undefined);
  for (const { failed } of results) if (failed !== undefined) console.log(`  ${failed}`);
  if (good.length === 0) continue;
  const [first] = results;
  cold ??= first.status === undefined ? undefined : first;
  table.push({
    ...first,
    name: peer.name,
    start: good.map((r) => r.start),
    stop: good.map((r) => r.stop),
    left: Math.max(...results.map((r) => r.left)),
  });
}
const best = (field) => Math.min(...table.filter((r) => r.name !== 'setpoint').map((r) => median(r[field])));
const pad = (text, width) => String(text).padStart(width);
console.log(
  `\n${'manager'.padEnd(16)}${pad('start ms', 10)}${pad('(spread)', 14)}${pad('stop ms', 10)}${pad('(spread)', 14)}${pad('manager MiB', 13)}${pad(`CPU ms/${idleSeconds} s`, 13)}${pad('left', 6)}`,
);
for (const row of table) {
  console.log(
    `${row.name.padEnd(16)}${pad(Math.round(median(row.start)), 10)}${pad(spread(row.start), 14)}${pad(Math.round(median(row.stop)), 10)}${pad(spread(row.stop), 14)}${pad((row.rss ?? NaN).toFixed(1), 13)}${pad((row.idle ?? NaN).toFixed(1), 13)}${pad(row.left, 6)}`,
  );
}
const own = table.find((row) => row.name === 'setpoint');
if (own !== undefined) {
  console.log(`\nlaunchers of setpoint: ${own.launchers.toFixed(1)} MiB in all (Pss)`);
  if (table.length > 1) {
    console.log(
      `setpoint / fastest peer: start ${(median(own.start) / best('start')).toFixed(2)}, stop ${(median(own.stop) / best('stop')).toFixed(2)}`,
    );
  }
}
if (cold !== undefined) {
  const [status, bare] = [median(cold.status), median(cold.bare)];
  console.log(
    `cold start: \`setpoint status\` ${status.toFixed(0)} ms, \`node -e 0\` ${bare.toFixed(0)} ms: ratio ${(status / bare).toFixed(2)}`,
  );
}
