import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Proc } from '../../../src/ports/backend.ts';
import { readFile, Rig, runs, until } from './rig.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.close());

/** The pid that the service has written to a file of the test's folder. */
function written(name: string): Promise<number> {
  return until(() => {
    const text = readFile(join(rig.dir, name)) ?? '';
    return text.endsWith('\n') && Number(text);
  });
}

async function memberPids(proc: Proc): Promise<number[]> {
  return (await proc.members()).map((member) => member.pid);
}

async function stopAndSee(proc: Proc, pids: readonly number[]): Promise<void> {
  expect(await memberPids(proc)).toEqual(expect.arrayContaining([...pids]));
  await proc.signal('SIGTERM', 'unit');
  await proc.gone;
  expect(pids.filter(runs)).toEqual([]);
}

describe('a stop reaches', () => {
  test('children and grandchildren in the group', async () => {
    const proc = await rig.sh('(sleep 1000 & echo $! >a; sleep 1000) & echo $! >b; wait');
    await stopAndSee(proc, [await written('a'), await written('b')]);
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
  });

  test('what has left for a session of its own', async () => {
    const proc = await rig.sh(`setsid sh -c 'echo $$ >a; exec sleep 1000' & exec sleep 1000`);
    await stopAndSee(proc, [await written('a')]);
  });

  test('what has daemonised by forking twice', async () => {
    const proc = await rig.sh(`setsid sh -c '(sleep 1000 & echo $! >a) & exit 0'; exec sleep 1000`);
    await stopAndSee(proc, [await written('a')]);
  });

  test('what has cleared its environment in a session of its own, while its parents live', async () => {
    const proc = await rig.sh(`setsid env -i /bin/sh -c 'echo $$ >a; exec sleep 1000' & exec sleep 1000`);
    await stopAndSee(proc, [await written('a')]);
  });

  test('what was a member once, although neither parents nor group nor environment tell it any more', async () => {
    const script = `setsid env -i /bin/sh -c '(setsid sh -c "echo \\$\\$ >a; exec sleep 1000") & echo $$ >b; read -r line <go' & exec sleep 1000`;
    const proc = await rig.sh(`mkfifo go; ${script}`);
    const [escapee, parent] = [await written('a'), await written('b')];
    expect(await memberPids(proc)).toContain(escapee);
    writeFileSync(join(rig.dir, 'go'), '\n');
    await until(() => !runs(parent));
    await stopAndSee(proc, [escapee]);
  });

  test('what lives on after the main process has ended', async () => {
    const proc = await rig.sh('sleep 1000 & echo $! >a; exit 5');
    const rest = await written('a');
    expect(await proc.exited).toEqual({ kind: 'code', code: 5 });
    await stopAndSee(proc, [rest]);
  });

  test('a process that is stopped', async () => {
    const proc = await rig.sh('exec sleep 1000');
    const pid = await until(() => proc.pid());
    await proc.signal('SIGSTOP', 'unit');
    await until(() => / T /.test(readFile(`/proc/${pid}/stat`) ?? ''));
    await stopAndSee(proc, [pid]);
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
  });
});

describe('a kill', () => {
  test('ends what ignores SIGTERM, wherever it is, and counts what it hit', async () => {
    const script = `trap "" TERM; setsid sh -c 'echo $$ >a; while :; do sleep 1000; done' & echo $$ >b; while :; do sleep 1000; done`;
    const proc = await rig.sh(script);
    const pids = [await written('a'), await written('b')];
    await proc.signal('SIGTERM', 'unit');
    expect(await memberPids(proc)).toEqual(expect.arrayContaining(pids));
    expect(await proc.signal('SIGKILL', 'unit')).toBeGreaterThanOrEqual(2);
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
    await proc.gone;
    expect(pids.filter(runs)).toEqual([]);
  });

  test('of a stopped unit tells the true status', async () => {
    const proc = await rig.sh('exec sleep 1000');
    await until(() => proc.pid());
    await proc.signal('SIGSTOP', 'unit');
    await proc.signal('SIGKILL', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
    await proc.gone;
  });

  test('right after the start is not lost', async () => {
    const proc = await rig.sh('exec sleep 1000');
    await proc.signal('SIGTERM', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
  });

  test('of the main process alone leaves the others', async () => {
    const proc = await rig.sh('sleep 1000 & echo $! >a; exec sleep 1000');
    const other = await written('a');
    expect(await proc.signal('SIGTERM', 'main')).toBe(1);
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
    expect(await memberPids(proc)).toEqual([other]);
    expect(await proc.signal('SIGKILL', 'unit')).toBe(1);
    await proc.gone;
  });
});

test('a signal to what is gone is no error and hits nobody', async () => {
  const proc = await rig.sh('exit 0');
  await proc.exited;
  await proc.gone;
  expect(await proc.signal('SIGTERM', 'unit')).toBe(0);
  expect(await proc.signal('SIGTERM', 'main')).toBe(0);
  expect(await proc.signal('SIGKILL', 'unit')).toBe(0);
  expect(await proc.members()).toEqual([]);
});

test('a zombie whose parent does not ask for it does not keep a unit from being gone', async () => {
  const request = rig.request(['true']);
  // The parent turns into a program that has never heard of the child; only the child carries the cookie.
  const parent = spawn(
    '/bin/sh',
    ['-c', `SETPOINT_RUN=${request.run} sleep 1000 & echo $! >a; exec sleep 1000`],
    {
      cwd: rig.dir,
    },
  );
  const child = await written('a');
  const [proc] = await rig.backend.adopt([rig.adoptRequest(request)]);
  expect(await proc?.members()).toEqual([{ pid: child, command: 'sleep 1000' }]);
  expect(await proc?.signal('SIGTERM', 'unit')).toBe(1);
  await proc?.gone;
  expect(readFile(`/proc/${child}/stat`)).toMatch(/\) Z /);
  parent.kill();
  await once(parent, 'exit');
});

test('members are listed with their command lines as one line each', async () => {
  const proc = await rig.sh(`exec sh -c 'sleep 1000; :' "a\nb\tc"`);
  await until(() => proc.pid());
  const members = await until2(
    () => proc.members(),
    (list) => list.length === 2 && list.some(({ command }) => command === 'sleep 1000'),
  );
  expect(members.map((member) => member.command)).toEqual([
    'sh -c sleep 1000; : a\\x0ab\\x09c',
    'sleep 1000',
  ]);
  await proc.signal('SIGKILL', 'unit');
  await proc.gone;
});

test('a unit does not hold processes of another run of the same instance', async () => {
  const first = await rig.sh('sleep 1000 & echo $! >a; exit 0');
  const left = await written('a');
  await first.exited;
  const second = await rig.sh('exec sleep 1000');
  const pid = await until(() => second.pid());
  expect(await memberPids(first)).toEqual([left]);
  expect(await memberPids(second)).toEqual([pid]);
  for (const proc of [first, second]) await proc.signal('SIGKILL', 'unit');
  await Promise.all([first.gone, second.gone]);
});

async function until2<T>(look: () => Promise<T>, good: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await look();
    if (good(value)) return value;
  }
}
