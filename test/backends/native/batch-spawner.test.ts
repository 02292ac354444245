import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { execFileSync } from 'node:child_process';
import { BatchSpawner, jobText, type LauncherJob } from '../../../src/backends/native/batch-spawner.ts';
import type { Proc } from '../../../src/ports/backend.ts';
import { lacks } from '../../rig/needs.ts';
import { eventually } from '../../rig/wait.ts';
import { Rig } from './rig.ts';

const missing = process.platform === 'linux' ? lacks('setsid') : 'needs /proc';

let rig: Rig;
beforeEach(() => (rig = new Rig()));
afterEach(() => rig.close());

/** Starts as many in one moment: enough of them for a shell to make them. */
function together(count: number, script: string, env: Record<string, string> = {}): Promise<Proc[]> {
  return Promise.all(
    Array.from({ length: count }, (_, i) =>
      rig.sh(script, { env: { ...rig.env(), ...env } }, { instance: `web.${i + 1}` }),
    ),
  );
}

function statOf(pid: number): { ppid: number; pgid: number; session: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
    .map(Number);
  return { ppid: fields[1] ?? 0, pgid: fields[2] ?? 0, session: fields[3] ?? 0 };
}

async function pidOf(proc: Proc): Promise<number> {
  return eventually('its pid', () => proc.pid());
}

describe.skipIf(missing !== undefined)('launchers made many at once', () => {
  it('are what single ones are: environment, folder, session, descriptors, signals', async () => {
    const odd = { ODD: `it's "all" $HOME \`x\` \\ \n two lines`, EMPTY: '', IFS: ':' };
    const single = await rig.sh('exec sleep 1000', { env: { ...rig.env(), ...odd } }, { instance: 'one.1' });
    const many = await together(12, 'exec sleep 1000', odd);
    const one = await look(await pidOf(single));
    for (const proc of many) expect(await look(await pidOf(proc))).toEqual(one);
    for (const proc of [single, ...many]) await proc.signal('SIGINT', 'unit');
    const exits = await Promise.all([single, ...many].map((proc) => proc.exited));
    // Nobody made them ignore it.
    expect(new Set(exits.map((exit) => JSON.stringify(exit)))).toEqual(
      new Set(['{"kind":"signal","signal":"SIGINT"}']),
    );
  });

  it('tell how their services ended, by status and by signal', async () => {
    const procs = await together(8, 'exit 7');
    for (const proc of procs) expect(await proc.exited).toEqual({ kind: 'code', code: 7 });
    const killed = await together(8, 'kill -9 $$');
    for (const proc of killed) expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
  });

  it('write to their own files, and nothing else does', async () => {
    const procs = await together(8, 'echo "out of $SETPOINT_RUN"; echo "err of $SETPOINT_RUN" >&2');
    await Promise.all(procs.map((proc) => proc.exited));
    for (const [i, { run }] of procs.entries()) {
      const dir = join(rig.dir, `web.${i + 1}`);
      expect([
        readFileSync(join(dir, 'stdout.log'), 'utf8'),
        readFileSync(join(dir, 'stderr.log'), 'utf8'),
      ]).toEqual([`out of ${run}\n`, `err of ${run}\n`]);
    }
  });

  it('are children of no daemon for the most part, and all lead sessions of their own', async () => {
    const procs = await together(8, 'exec sleep 1000');
    const pids = await Promise.all(procs.map(pidOf));
    const launchers = pids.map((pid) => statOf(pid).ppid);
    // The last ones of a batch may be made without it.
    const foreign = launchers.filter((launcher) => statOf(launcher).ppid !== process.pid);
    expect(foreign.length).toBeGreaterThan(0);
    for (const launcher of launchers) {
      expect(statOf(launcher)).toMatchObject({ pgid: launcher, session: launcher });
    }
    for (const proc of procs) await proc.signal('SIGTERM', 'unit');
    await Promise.all(procs.map((proc) => proc.gone));
  });

  /** What a process was given, but for what differs from run to run. */
  async function look(pid: number): Promise<unknown> {
    await eventually('it to be the program', () =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sleep'),
    );
    const launcher = statOf(pid).ppid;
    const env = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .filter((entry) => !entry.startsWith('SETPOINT_RUN='))
      .sort();
    const status = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n');
    return {
      env,
      cwd: readlinkSync(`/proc/${pid}/cwd`),
      fds: readdirSync(`/proc/${pid}/fd`).sort(),
      launcherFds: readdirSync(`/proc/${launcher}/fd`).sort(),
      leads: statOf(launcher).session === launcher && statOf(launcher).pgid === launcher,
      signals: status.filter((line) => /^Sig(Blk|Ign|Cgt):/.test(line)),
      stdin: readlinkSync(`/proc/${pid}/fd/0`),
    };
  }
});

describe('what the shell is told', () => {
  const job: LauncherJob = {
    id: 'run-1',
    program: '/bin/sh',
    args: ['launcher.sh'],
    cwd: '/',
    env: {},
    files: { stdout: '/dev/null', exit: '/dev/null', alive: '/dev/null', stderr: '/dev/null' },
  };

  it('leaves every text as it is', () => {
    const text = fc
      .string({ unit: 'binary', maxLength: 40 })
      .filter((s) => !s.includes('\0') && !/[\ud800-\udfff]/.test(s));
    fc.assert(
      fc.property(text, text, (value, argument) => {
        const stdout = join(rig.dir, 'shown');
        writeFileSync(stdout, '');
        const told = jobText(
          { ...job, args: [argument], env: { V: value }, files: { ...job.files, stdout } },
          '/bin/sh',
        );
        // The program in place of setsid(1) shows what it was given.
        const script = told.replace(`'--fork' '/bin/sh'`, `'-c' 'printf "%s|%s|" "$V" "$1"' 'sh'`);
        execFileSync('/bin/sh', [], { input: script });
        const shown = readFileSync(stdout, 'utf8');
        expect(shown).toBe(`${value}|${argument}|`);
      }),
      { numRuns: 60 },
    );
  });

  it('is nothing where there is no setsid, or where the text would be too long', async () => {
    let told = 0;
    const tell = (): void => void (told += 1);
    const without = new BatchSpawner({ wanted: () => 9 });
    expect(await Promise.all(Array.from({ length: 9 }, () => without.offer(job, tell)))).toEqual(
      Array(9).fill(undefined),
    );
    const spawner = new BatchSpawner({ setsid: '/usr/bin/setsid', wanted: () => 9 });
    const long = { ...job, env: { V: 'x'.repeat(70_000) } };
    expect(await Promise.all(Array.from({ length: 9 }, () => spawner.offer(long, tell)))).toEqual(
      Array(9).fill(undefined),
    );
    expect(told).toBe(0);
  });

  it('few at once are left to the caller, and so is everything once the shell was refused something', async () => {
    let wanted = 3;
    const spawner = new BatchSpawner({ setsid: '/nonexistent/setsid', wanted: () => wanted });
    const none = (): void => undefined;
    expect(await Promise.all([1, 2, 3].map((n) => spawner.offer({ ...job, id: `few-${n}` }, none)))).toEqual(
      Array(3).fill(undefined),
    );
    wanted = 8;
    let told = 0;
    const many = Array.from({ length: 8 }, (_, n) =>
      spawner.offer({ ...job, id: `many-${n}` }, () => (told += 1)),
    );
    expect(await Promise.all(many)).toEqual(Array(8).fill(undefined));
    expect(told).toBe(8);
    const later = Array.from({ length: 8 }, (_, n) =>
      spawner.offer({ ...job, id: `later-${n}` }, () => (told += 1)),
    );
    expect(await Promise.all(later)).toEqual(Array(8).fill(undefined));
    expect(told).toBe(8);
    spawner.close();
  });
});
