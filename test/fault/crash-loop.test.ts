import { readdirSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { ProjectEvent } from '../../src/core/event.ts';
import { descriptorsAreBack, descriptorsOf, rounds } from '../rig/faults.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

// More rounds take longer.
vi.setConfig({ testTimeout: rounds(90_000) });

/** `looper` ends as soon as it begins, without a pause in between; the others have nothing to do with it. */
const LOOP = `services:
  looper: { command: [/bin/false], backoff: { initial: 0ms, max: 0ms, jitter: 0 } }
  still: { command: exec sleep 1000 }
  noted: { command: "echo run >> noted.runs; exit 3", restart: never }
  after: { command: exec sleep 1000, depends_on: [still] }
`;

/** How long one request took, in ms; rejects where it is not answered with 200. */
function timed(socketPath: string, path: string): Promise<number> {
  const began = performance.now();
  return new Promise((done, fail) => {
    request({ socketPath, path, agent: false }, (response) => {
      response.resume();
      response.once('error', fail);
      response.once('end', () => {
        if (response.statusCode === 200) done(performance.now() - began);
        else fail(new Error(`${path}: ${response.statusCode ?? 0}`));
      });
    })
      .once('error', fail)
      .end();
  });
}

/** CPU time of a process in ms, of all its threads: fields 14 and 15 of /proc/PID/stat (proc(5)), in 1/100 s. */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** The bytes of all of a folder's files, by name. */
function sizes(folder: string): Record<string, number> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((f) => join(folder, f));
  return Object.fromEntries(
    files.filter((f) => statSync(f).isFile()).map((f) => [f.slice(folder.length + 1), sizeOf(f)]),
  );
}

async function restartsOf(project: TestProject, id: string): Promise<number> {
  return (await project.instance(id))?.restarts ?? 0;
}

async function history(project: TestProject, service: string): Promise<readonly ProjectEvent[]> {
  const text = await project.ok('events', service, '-n', '50', '--format', 'json');
  const parsed: unknown = JSON.parse(
    text.startsWith('[') ? text : `[${text.trimEnd().split('\n').join(',')}]`,
  );
  return parsed as readonly ProjectEvent[];
}

test('a service that crashes at once and without a pause costs the others nothing', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': LOOP });
  await project.run(['up', '-d']);
  const pids = [await project.pidOf('still.1'), await project.pidOf('after.1')];
  await project.becomes('noted.1', 'failed');
  await eventually('it to loop', async () => (await restartsOf(project, 'looper.1')) > 20);
  const daemon = await project.daemonPid();
  const base = descriptorsOf(daemon);
  const socket = project.socket() ?? '';
  const before = {
    cpu: cpuMs(daemon),
    at: performance.now(),
    restarts: await restartsOf(project, 'looper.1'),
  };

  const times: number[] = [];
  const wanted = rounds(1_000);
  for (let n = 0; n < wanted; n += 1)
    times.push(await timed(socket, n % 2 === 0 ? '/v1/status' : '/v1/services/looper/explain'));
  const tookMs = performance.now() - before.at;
  const cpu = cpuMs(daemon) - before.cpu;
  const restarts = (await restartsOf(project, 'looper.1')) - before.restarts;
  expect(times).toHaveLength(wanted);
  expect(restarts).toBeGreaterThan(0);

  // What a person asks of the others and of the looping one itself wins.
  await project.ok('restart', 'after');
  expect(await project.pidOf('still.1')).toBe(pids[0]);
  expect(await project.pidOf('after.1')).not.toBe(pids[1]);
  expect(project.lines('noted.runs')).toEqual(['run']);
  await project.ok('stop', 'looper');
  expect(await project.instance('looper.1')).toMatchObject({ wanted: 'down', state: { kind: 'stopped' } });
  const starts = await newestStart(project);
  await project.ok('status');
  expect(await newestStart(project)).toBe(starts);
  await descriptorsAreBack(project, base);
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(share * (times.length - 1))] ?? 0).toFixed(1);
  console.info(
    `crash loop: ${restarts} restarts in ${(tookMs / 1000).toFixed(1)} s, daemon ${((cpu / tookMs) * 100).toFixed(0)} % of a CPU, ` +
      `${wanted} requests p50 ${at(0.5)} p99 ${at(0.99)} max ${at(1)} ms`,
  );
  await project.ok('down');
  await project.nothingIsLeft();
});

async function newestStart(project: TestProject): Promise<number> {
  return (await history(project, 'looper')).findLast(({ type }) => type === 'instance-started')?.seq ?? 0;
}

/** What the flood of one service's happenings must not cost the others. */
async function othersHistory(
  project: TestProject,
): Promise<readonly (readonly [string, readonly string[]])[]> {
  const services = ['still', 'noted', 'after'];
  const told = await Promise.all(services.map((service) => history(project, service)));
  return services.map((service, n) => [service, (told[n] ?? []).map(({ type, seq }) => `${seq} ${type}`)]);
}

test("thousands of restarts leave the journal, the logs and the others' history as they should be", async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': LOOP.replace('[/bin/false]', "'echo out; echo about to fail >&2; exit 1'").replace(
      'jitter: 0 } }',
      'jitter: 0 }, log: { max_size: 64KiB, keep: 1 } }',
    ),
  });
  await project.run(['up', '-d']);
  const pids = [await project.pidOf('still.1'), await project.pidOf('after.1')];
  await project.becomes('noted.1', 'failed');
  const known = await othersHistory(project);
  expect(known.every(([, told]) => told.length > 0)).toBe(true);
  const base = descriptorsOf(await project.daemonPid());
  // Three happenings each: more than the 2,000 that are kept whatever they are of.
  const wanted = rounds(750);
  let rss = 0;
  await eventually(
    `${wanted} restarts`,
    async () => {
      rss = Math.max(rss, rssOf(await project.daemonPid()));
      return (await restartsOf(project, 'looper.1')) >= wanted;
    },
    wanted * 100,
  );
  expect(await othersHistory(project)).toEqual(known);
  await project.ok('stop', 'looper');
  const state = sizes(project.stateDir());
  const folder = sizes(join(project.stateDir(), 'instances', 'looper.1'));
  const restarts = await restartsOf(project, 'looper.1');
  // Two journals of 8 MiB at most, and what is kept besides.
  const journal = Object.entries(state).flatMap(([name, size]) => (name.startsWith('events') ? [size] : []));
  expect(Math.max(...journal)).toBeLessThan(9 * 1024 * 1024);
  expect(journal.length).toBeLessThanOrEqual(3);
  expect(folder['log.index'], JSON.stringify(folder)).toBeLessThan(512 * 1024);
  expect(Object.keys(folder).length, JSON.stringify(folder)).toBeLessThan(16);
  for (const name of ['stdout.log', 'stderr.log', 'exit', 'run.json'])
    expect(folder[name] ?? 0, `${name} of ${JSON.stringify(folder)}`).toBeLessThan(512 * 1024);
  const told = await project.ok('logs', 'looper', '--tail', '4');
  expect(told).toContain('looper | out\n');
  expect(told).toContain('looper | about to fail\n');

  await descriptorsAreBack(project, base);

  // The next daemon knows as much.
  await project.killDaemon();
  await project.ok('status');
  expect(await othersHistoryBefore(project, known)).toEqual(known);
  expect([await project.pidOf('still.1'), await project.pidOf('after.1')]).toEqual(pids);
  console.info(
    `crash loop: after ${restarts} restarts the journal takes ${kib(journal.reduce((a, b) => a + b))}, ` +
      `the looping service's folder ${kib(Object.values(folder).reduce((a, b) => a + b))} (index ${kib(folder['log.index'] ?? 0)}), ` +
      `daemon ${kib(rss)} resident at most`,
  );
  await project.ok('down');
  await project.nothingIsLeft();
});

/** Without what the next daemon has told of them. */
async function othersHistoryBefore(
  project: TestProject,
  known: Awaited<ReturnType<typeof othersHistory>>,
): ReturnType<typeof othersHistory> {
  return (await othersHistory(project)).map(([service, told]) => [
    service,
    told.slice(0, known.find(([id]) => id === service)?.[1].length),
  ]);
}

/** Resident bytes of a process. */
function rssOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1024)} KiB`;
}
