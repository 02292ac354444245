import { expect, test } from 'vitest';
import type { ProjectEvent } from '../../src/core/event.ts';
import { type Chance, eachRound, patienceMs } from '../rig/chance.ts';
import { descriptorsAreBack, descriptorsOf, rounds } from '../rig/faults.ts';
import { lacks } from '../rig/needs.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

const INTERVAL_MS = 200;
/** Longer than every interval, timeout and watchdog below, several times. */
const STOPPED_MS = 2_500;

/** Answers on the port it is given, and notes each request by its path. */
const SERVER = `
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
createServer((request, response) => {
  appendFileSync('looks' + request.url.replace('/', '.'), 'look\\n');
  response.end('fine');
}).listen(Number(process.env.PORT));
`;

/** One failure of any probe would show: none is allowed. */
const PROBED = `
services:
  asked:
    command: exec sleep 1000
    ready: &look { exec: "echo look >> looks.$SETPOINT_SERVICE", interval: ${INTERVAL_MS}ms, timeout: 300ms, retries: 1 }
  slow:
    command: exec sleep 1000
    live: { exec: "echo look >> looks.slow; sleep 0.15", interval: ${INTERVAL_MS}ms, timeout: 600ms, retries: 1 }
  web:
    command: [node, server.mjs]
    ports: { http: auto }
    ready: { http: { port: http, path: /ready }, interval: ${INTERVAL_MS}ms, timeout: 300ms, retries: 1 }
    live: { http: { port: http, path: /live }, interval: ${INTERVAL_MS}ms, timeout: 300ms, retries: 1 }
  bound:
    command: [node, server.mjs]
    ports: { http: auto }
    ready: { tcp: http, interval: ${INTERVAL_MS}ms, timeout: 300ms, retries: 1 }
`;

const LOOKS = ['asked', 'slow', 'ready', 'live'];

async function happenings(project: TestProject): Promise<readonly ProjectEvent[]> {
  const text = await project.api('/v1/events?limit=10000');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ProjectEvent);
}

/** Stops the daemon's process for a while. */
async function suspend(project: TestProject, chance: Chance): Promise<void> {
  const pid = await project.daemonPid();
  await chance.pause(300, 'stop');
  process.kill(pid, 'SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, STOPPED_MS));
  process.kill(pid, 'SIGCONT');
}

test(
  'a daemon that was stopped for a while takes no service for ill, and catches up on nothing',
  async (ctx) => {
    const project = newProject(ctx, { 'setpoint.yaml': PROBED, 'server.mjs': SERVER });
    await project.ok('up', '-d', '--wait');
    const ids = (await project.instances()).map(({ id }) => id);
    const pids = await Promise.all(ids.map((id) => project.pidOf(id)));
    const looks = (): readonly number[] => LOOKS.map((name) => project.lines(`looks.${name}`).length);
    await eventually('every probe to have looked', () => looks().every((count) => count >= 3));
    const base = descriptorsOf(await project.daemonPid());
    await eachRound(2, async (chance) => {
      const told = (await happenings(project)).at(-1)?.seq;
      await suspend(project, chance);
      const before = looks();
      const from = performance.now();
      await eventually('every probe to look on', () =>
        looks().every((count, n) => count >= (before[n] ?? 0) + 5),
      );
      const most = Math.ceil((performance.now() - from) / INTERVAL_MS) + 3;
      const more = looks().map((count, n) => count - (before[n] ?? 0));
      expect(Math.max(...more), `looks of ${LOOKS.join(', ')}: ${more.join(', ')}`).toBeLessThanOrEqual(most);
      expect((await happenings(project)).filter(({ seq }) => seq > (told ?? 0))).toEqual([]);
      const instances = await project.instances();
      expect(instances.map(({ restarts }) => restarts)).toEqual(ids.map(() => 0));
      expect(await Promise.all(ids.map((id) => project.pidOf(id)))).toEqual(pids);
    });
    await descriptorsAreBack(project, [...base, ...LOOKS]);
    await project.ok('down');
    await project.nothingIsLeft();
    console.info(`${rounds(2)} times stopped for ${STOPPED_MS} ms`);
  },
  patienceMs(60_000),
);

/** Says that it is ready and then that it is alive, ten times a second. */
const NOTIFYING = `
services:
  watched:
    command: |
      systemd-notify --ready
      while :; do systemd-notify WATCHDOG=1; echo ping >> pings; sleep 0.1; done
    ready: { notify: true }
    live: { notify: true, interval: 600ms, retries: 1 }
`;

test(
  'a daemon that was stopped for longer than a watchdog waits has missed no keep-alive',
  async (ctx) => {
    const lack = lacks('systemd-notify');
    if (lack !== undefined) ctx.skip(lack);
    const project = newProject(ctx, { 'setpoint.yaml': NOTIFYING });
    await project.ok('up', '-d', '--wait');
    const pid = await project.pidOf('watched.1');
    await eachRound(1, async (chance) => {
      const told = (await happenings(project)).at(-1)?.seq;
      await suspend(project, chance);
      const pings = project.lines('pings').length;
      await eventually('it to go on', () => project.lines('pings').length >= pings + 10);
      expect((await happenings(project)).filter(({ seq }) => seq > (told ?? 0))).toEqual([]);
      expect(await project.instance('watched.1')).toMatchObject({ restarts: 0, state: { pid } });
    });
    await project.ok('down');
    await project.nothingIsLeft();
  },
  patienceMs(60_000),
);

/** Runs every so often; `runs` counts. */
const REPEATED = `
services:
  tick:
    command: "echo run >> runs"
    schedule: { every: 300ms }
  crashing:
    command: "echo run >> crashes; exit 3"
    restart: { policy: on-failure, max_restarts: 0 }
    backoff: { initial: 300ms, max: 300ms, jitter: 0 }
`;

test(
  'a daemon that was stopped makes up for no missed run and no missed restart',
  async (ctx) => {
    const project = newProject(ctx, { 'setpoint.yaml': REPEATED });
    await project.ok('up', '-d');
    const counts = (): readonly number[] => ['runs', 'crashes'].map((name) => project.lines(name).length);
    await eventually('both to have run', () => counts().every((count) => count >= 2));
    await eachRound(1, async (chance) => {
      await suspend(project, chance);
      const before = counts();
      const from = performance.now();
      await eventually('both to run on', () => counts().every((count, n) => count >= (before[n] ?? 0) + 5));
      const most = Math.ceil((performance.now() - from) / 300) + 2;
      const more = counts().map((count, n) => count - (before[n] ?? 0));
      expect(Math.max(...more), more.join(', ')).toBeLessThanOrEqual(most);
    });
    await project.ok('down');
    await project.nothingIsLeft();
  },
  patienceMs(60_000),
);
