import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { ProjectEvent } from '../../src/core/event.ts';
import { descriptorsAreBack, descriptorsOf, rounds } from '../rig/faults.ts';
import { isRunning } from '../rig/processes.ts';
import { newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

// More rounds take longer.
vi.setConfig({ testTimeout: rounds(30_000) });

const FAST = 'backoff: { initial: 10ms, max: 10ms, jitter: 0 }';
const LENGTH = 6;
const NAMES: readonly string[] = Array.from({ length: LENGTH }, (_, n) => `s${n + 1}`);
const IDS = NAMES.map((name) => `${name}.1`);

/** Each but the first depends on the one before, with what follows when that one fails; `beside` on nothing. */
function chain(then: string): string {
  const service = (name: string, n: number): string => {
    const depends = n === 0 ? '' : `, depends_on: { s${n}: { condition: ready, on_failure: ${then} } }`;
    const command = `trap 'echo ${name} ends >> order; exit 0' TERM; echo ${name} begins >> order; echo up; while :; do sleep 0.02; done`;
    return `  ${name}: { command: "${command}"${depends}, ready: { log: '^up' }, ${FAST} }\n`;
  };
  return `services:\n${NAMES.map(service).join('')}  beside: { command: exec sleep 1000 }\n`;
}

async function pids(project: TestProject): Promise<readonly number[]> {
  return Promise.all(IDS.map((id) => project.pidOf(id)));
}

async function begun(project: TestProject, names: readonly string[]): Promise<void> {
  const lines = names.map((name) => `${name} begins`);
  await eventually(`${names.join(', ')} to have begun`, () =>
    lines.every((line) => project.lines('order').includes(line)),
  );
}

function forget(project: TestProject): void {
  rmSync(join(project.dir, 'order'), { force: true });
}

async function happenings(project: TestProject): Promise<readonly ProjectEvent[]> {
  const text = await project.ok('events', '-n', '2000', '--format', 'json');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ProjectEvent);
}

test('a crash at the root of a chain restarts each dependent exactly once, in order', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': chain('restart') });
  await project.ok('up', '-d', '--wait');
  await begun(project, NAMES);
  const beside = await project.pidOf('beside.1');
  const base = descriptorsOf(await project.daemonPid());
  for (let round = 0; round < rounds(3); round += 1) {
    const struck = Math.floor(Math.random() * LENGTH);
    const where = `round ${round}, ${IDS[struck] ?? ''} killed`;
    const before = await pids(project);
    const seen = (await happenings(project)).at(-1)?.seq ?? 0;
    forget(project);
    process.kill(before[struck] ?? 0, 'SIGKILL');
    const hit = NAMES.slice(struck);
    await begun(project, hit);
    await eventually(`${where}: all to run`, async () =>
      (await project.instances()).every(({ state }) => state.kind === 'running'),
    );
    const after = await pids(project);
    expect(
      after.map((pid, n) => pid === before[n]),
      where,
    ).toEqual(NAMES.map((_, n) => n < struck));
    expect(before.slice(struck).filter(isRunning), where).toEqual([]);
    const lines = project.lines('order');
    expect(
      lines.filter((line) => line.endsWith('begins')),
      where,
    ).toEqual(hit.map((name) => `${name} begins`));
    expect(lines.filter((line) => line.endsWith('ends')).sort(), where).toEqual(
      hit.slice(1).map((name) => `${name} ends`),
    );
    // Told once the pid is known, so that two that follow each other may change places.
    const started = (await happenings(project)).filter(
      ({ seq, type }) => seq > seen && type === 'instance-started',
    );
    expect(started.map(({ service }) => service).sort(), where).toEqual(hit);
  }
  expect(await project.pidOf('beside.1')).toBe(beside);
  await descriptorsAreBack(project, base);
  await project.ok('down');
  await project.nothingIsLeft();
});

test('a crash at the root of a chain stops each dependent once, and they stay stopped', async (ctx) => {
  const project = newProject(ctx, { 'setpoint.yaml': chain('stop') });
  for (let round = 0; round < rounds(2); round += 1) {
    forget(project);
    await project.ok('up', '-d', '--wait');
    await begun(project, NAMES);
    const [root = 0] = await pids(project);
    const base = descriptorsOf(await project.daemonPid());
    forget(project);
    process.kill(root, 'SIGKILL');
    await begun(project, ['s1']);
    for (const id of IDS.slice(1)) await project.becomes(id, 'stopped');
    expect(await project.pidOf('s1.1')).not.toBe(root);
    expect([...project.lines('order')].sort()).toEqual([
      's1 begins',
      ...NAMES.slice(1).map((name) => `${name} ends`),
    ]);
    await descriptorsAreBack(project, base);
    // A later daemon leaves them so.
    await project.killDaemon();
    await project.ok('status');
    const instances = await project.instances();
    expect(instances.map(({ id, wanted }) => [id, wanted]).sort()).toEqual([
      ['beside.1', 'up'],
      ['s1.1', 'up'],
      ...IDS.slice(1).map((id) => [id, 'down']),
    ]);
    expect(project.lines('order').filter((line) => line.endsWith('begins'))).toEqual(['s1 begins']);
    await project.ok('down');
    await project.nothingIsLeft();
  }
});

test('max_restarts is the number of restarts, also over a crash of the daemon, and a person starts afresh', async (ctx) => {
  const project = newProject(ctx, {
    'setpoint.yaml': `services:
  few: { command: 'echo run >> few; exit 3', restart: { max_restarts: 3, window: 1h }, ${FAST} }
  slow: { command: 'echo run >> slow; exit 3', restart: { max_restarts: 3, window: 200ms }, backoff: { initial: 150ms, max: 150ms, jitter: 0 } }
  beside: { command: exec sleep 1000 }
`,
  });
  await project.run(['up', '-d']);
  const failed = await project.becomes('few.1', 'failed');
  expect(failed).toMatchObject({ restarts: 3, state: { code: 'E_MAX_RESTARTS' } });
  expect(project.lines('few')).toHaveLength(4);
  const beside = await project.pidOf('beside.1');
  // Slower than its window is long: it is tried for ever.
  await eventually('more runs than restarts fit into a window', () => project.lines('slow').length >= 8);
  expect((await project.instance('slow.1'))?.state.kind).not.toBe('failed');
  await project.ok('stop', 'slow');

  for (let round = 0; round < rounds(2); round += 1) {
    rmSync(join(project.dir, 'few'));
    await project.run(['restart', 'few']);
    await eventually('all its runs', () => project.lines('few').length >= 4);
    expect(await project.becomes('few.1', 'failed')).toMatchObject({ restarts: 3 });
    await project.killDaemon();
    await project.ok('status');
    expect(await project.becomes('few.1', 'failed')).toMatchObject({ wanted: 'up' });
    expect(project.lines('few')).toHaveLength(4);
  }
  expect(await project.pidOf('beside.1')).toBe(beside);
  await project.ok('down');
  await project.nothingIsLeft();
});
