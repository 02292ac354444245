import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { expect, test, vi } from 'vitest';
import type { ActionRequest } from '../../src/core/api.ts';
import { descriptorsAreBack, descriptorsOf, rounds } from '../rig/faults.ts';
import { killIfThere } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

// More rounds take longer.
vi.setConfig({ testTimeout: rounds(30_000) });

const OPERATIONS = 60;
const NAMES = ['db', 'api', 'web', 'job', 'mule'] as const;

/** `mule` takes no polite signal; `job` ends by itself; every other ends with 3 when a file tells it to. */
function manifest(version: number, withWeb: boolean): string {
  const loop = (name: string): string =>
    `while [ ! -e quit.${name} ]; do sleep 0.02; done; rm -f quit.${name}; exit 3`;
  const fast = 'backoff: { initial: 20ms, max: 100ms, jitter: 0 }';
  const web = `  web: { command: "${loop('web')}", ${fast}, restart: always, depends_on: { api: { on_failure: restart } } }\n`;
  return `services:
  db: { command: "${loop('db')}", ${fast} }
  api: { command: "${loop('api')}", ${fast}, env: { VERSION: "${version}" }, depends_on: { db: { on_failure: restart } } }
  job: { command: "sleep 0.05; exit 0", ${fast} }
  mule: { command: [node, -e, "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"], stop: { grace: 100ms }, ${fast} }
${withWeb ? web : ''}`;
}

/** Numbers from a seed, uniform in [0, 1); Numerical Recipes' linear congruential generator. */
function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function act(project: TestProject, body: ActionRequest): Promise<number> {
  const socketPath = project.socket();
  if (socketPath === undefined) return Promise.resolve(0);
  return new Promise((done) => {
    const sent = request(
      {
        socketPath,
        path: '/v1/actions',
        method: 'POST',
        agent: false,
        headers: { 'content-type': 'application/json' },
      },
      (response) => response.resume().once('end', () => done(response.statusCode ?? 0)),
    );
    sent.once('error', () => done(0)).end(JSON.stringify(body));
  });
}

interface Unit {
  readonly pid: number;
  readonly instance: string;
  readonly run: string;
}

/** What runs of the project's services, as the system has it: by the cookies that the processes carry. */
function units(project: TestProject): readonly Unit[] {
  return project.processes().flatMap(({ pid }): Unit[] => {
    try {
      const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      const value = (name: string): string | undefined =>
        entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
      const [service, number, run] = ['SETPOINT_SERVICE', 'SETPOINT_INSTANCE', 'SETPOINT_RUN'].map(value);
      return service === undefined || run === undefined
        ? []
        : [{ pid, instance: `${service}.${number ?? ''}`, run }];
    } catch {
      // It ended while we looked.
      return [];
    }
  });
}

/** Never two live runs of one instance, whatever the moment. */
function oneUnitEach(project: TestProject, where: string): void {
  const runs = new Map<string, Set<string>>();
  for (const { instance, run } of units(project))
    runs.set(instance, (runs.get(instance) ?? new Set()).add(run));
  for (const [instance, those] of runs) {
    // A look takes a while: one run may have ended and the next one begun during it.
    if (those.size > 1) {
      const still = new Set(units(project).flatMap((unit) => (unit.instance === instance ? [unit.run] : [])));
      expect([...still].filter((run) => those.has(run)).length, `${where}: ${instance}`).toBeLessThanOrEqual(
        1,
      );
    }
  }
}

/** Once nothing is under way, what the daemon says is what there is. */
async function comesToRest(project: TestProject, where: string): Promise<void> {
  let why = '';
  const agrees = async (): Promise<boolean> => {
    const instances = await project.instances();
    const alive = new Set(units(project).map(({ instance }) => instance));
    const wrong = instances.flatMap(({ id, state, wanted }) => {
      if (['starting', 'stopping', 'backoff'].includes(state.kind)) return [`${id} is ${state.kind}`];
      if ((state.kind === 'running') !== alive.has(id))
        return [`${id} is ${state.kind}, alive: ${alive.has(id)}`];
      return wanted === 'down' && state.kind !== 'stopped' ? [`${id} is unwanted and ${state.kind}`] : [];
    });
    const known = new Set(instances.map(({ id }) => id));
    why = [...wrong, ...[...alive].filter((id) => !known.has(id)).map((id) => `nobody knows ${id}`)].join(
      ', ',
    );
    return why === '';
  };
  await eventually(`${where}: rest`, agrees, 10_000).catch((error: unknown) => {
    throw new Error(`${where}: ${why}`, { cause: error });
  });
}

test('over random operations on real processes there is never more than one of each, and what is said is so', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': manifest(1, true) });
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = chance(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  await project.run(['up', '-d']);
  let daemons = 0;
  const total = rounds(OPERATIONS);
  const operations: readonly (readonly [string, () => Promise<unknown>])[] = [
    [
      'start',
      () => act(project, { action: 'start', select: one(pick(NAMES)), withDependencies: random() < 0.5 }),
    ],
    ['stop', () => act(project, { action: 'stop', select: one(pick(NAMES)) })],
    ['restart', () => act(project, { action: 'restart', select: one(pick(NAMES)) })],
    ['restart', () => act(project, { action: 'restart', select: one(pick(NAMES)) })],
    [
      'scale',
      () =>
        act(project, { action: 'scale', service: pick(['api', 'mule']), replicas: Math.floor(random() * 3) }),
    ],
    [
      'kill',
      () => act(project, { action: 'kill', select: one(pick(NAMES)), signal: pick(['SIGTERM', 'SIGKILL']) }),
    ],
    ['apply', () => project.run(['up', '-d'])],
    [
      'apply changed',
      () => {
        project.write('setpoint.yaml', manifest(Math.floor(random() * 3), random() < 0.7));
        return project.run(['up', '-d']);
      },
    ],
    [
      'crash',
      () => {
        const found = units(project).filter(({ instance }) => !instance.startsWith('job'));
        if (found.length > 0) killIfThere(pick(found).pid);
        return Promise.resolve();
      },
    ],
    [
      'exit',
      () => {
        project.write(`quit.${pick(['db', 'api', 'web'])}`, '');
        return Promise.resolve();
      },
    ],
    [
      'daemon',
      async () => {
        daemons += 1;
        await project.killDaemon();
        await project.ok('status');
      },
    ],
  ];
  for (let n = 0; n < total; n += 1) {
    const [name, operate] = pick(operations);
    const where = `seed ${seed}, operation ${n} (${name})`;
    await operate();
    oneUnitEach(project, where);
    if (random() < 0.3) await comesToRest(project, where);
  }
  await comesToRest(project, `seed ${seed}, at the end`);
  const base = descriptorsOf(await project.daemonPid());
  for (let n = 0; n < 5; n += 1) {
    await act(project, { action: 'restart', select: one('db') });
    await comesToRest(project, `seed ${seed}, restarted`);
  }
  await descriptorsAreBack(project, base);
  await project.ok('down');
  expect(units(project), `seed ${seed}`).toEqual([]);
  await project.nothingIsLeft();
  console.info(
    `random operations: ${total} on real processes, ${daemons} of them a killed daemon (seed ${seed})`,
  );
});

function one(name: string): { readonly names: readonly string[]; readonly labels: readonly string[] } {
  return { names: [name], labels: [] };
}
