import { spawn } from 'node:child_process';
import { closeSync, openSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findLogWriters } from '../../../src/backends/native/log-writers.ts';
import { ProcessScanner } from '../../../src/host/unit-scan.ts';
import { startWired } from './cgroup-rig.ts';
import { kill, readFile, Rig, runs, until } from './rig.ts';

/** A process without a cookie: leaves its environment, its session, its group and its parents. */
const ESCAPE = `setsid env -i /bin/sh -c '(setsid sh -c "echo \\$\\$ >a; exec sleep 1000") & exit 0'`;

describe.skipIf(process.platform !== 'linux')('whoever appends its output to the logs of a run', () => {
  let rig: Rig;
  let log: string;
  const strangers: number[] = [];
  beforeEach(() => {
    rig = new Rig();
    log = join(rig.dir, 'web.1', 'stdout.log');
  });
  afterEach(async () => {
    for (const pid of strangers) kill(pid, 'SIGKILL');
    await until(() => !strangers.some(runs));
    strangers.length = 0;
    await rig.close();
  });

  function escapee(): Promise<number> {
    return until(() => {
      const pid = Number(readFile(join(rig.dir, 'a')) ?? '');
      return pid > 0 && / \(sleep\) /.test(readFile(`/proc/${pid}/stat`) ?? '') && pid;
    });
  }

  function stranger(argv: readonly string[], flags: string, fd: 0 | 1 | 2): number {
    const file = openSync(log, flags);
    const stdio: ('ignore' | number)[] = ['ignore', 'ignore', 'ignore'];
    stdio[fd] = file;
    const [program = '', ...args] = argv;
    const { pid } = spawn(program, args, { stdio, env: {} });
    closeSync(file);
    if (pid === undefined) throw new Error('not spawned');
    strangers.push(pid);
    return pid;
  }

  test('belongs to it, although nothing else tells so, and is ended with it', async () => {
    const { proc } = startWired(rig, `${ESCAPE}; exec sleep 1000`);
    const pid = await escapee();
    expect((await proc.members()).map((member) => member.pid)).toContain(pid);
    await proc.signal('SIGTERM', 'unit');
    await proc.exited;
    await proc.gone;
    expect(runs(pid)).toBe(false);
  });

  test('belongs to it, too, where the main process has ended and the file has been renamed', async () => {
    const { proc } = startWired(rig, `${ESCAPE}; exit 3`);
    const pid = await escapee();
    expect(await proc.exited).toEqual({ kind: 'code', code: 3 });
    renameSync(log, `${log}.1`);
    expect((await proc.members()).map((member) => member.pid)).toEqual([pid]);
    expect(await proc.signal('SIGKILL', 'unit')).toBe(1);
    await proc.gone;
    expect(runs(pid)).toBe(false);
  });

  test('is found through a symbolic link on the way to the logs', async () => {
    startWired(rig, 'exit 0');
    const pid = stranger(['sleep', '1000'], 'a', 1);
    symlinkSync(rig.dir, `${rig.dir}/link`);
    const found = await findLogWriters(await new ProcessScanner().scan(), {
      run: 'r',
      logs: [join(rig.dir, 'link', 'web.1', 'stdout.log')],
      since: 1,
    });
    expect(found.map((entry) => entry.pid)).toEqual([pid]);
  });

  test('is told from readers, editors, and those who were there before or write to other files', async () => {
    const { proc } = startWired(rig, 'exec sleep 1000');
    await until(() => proc.pid());
    await until(() => readFile(log) !== undefined);
    const innocent = [
      stranger(['tail', '-f', log], 'r', 0),
      stranger(['sleep', '1000'], 'r', 1),
      stranger(['sleep', '1000'], 'r+', 1),
      stranger(['sleep', '1000'], 'a', 0),
      stranger(['/bin/sh', '-c', `exec 7>>${log}; exec sleep 1000`], 'r', 0),
    ];
    const members = (await proc.members()).map((member) => member.pid);
    expect(members).toEqual([proc.pid()]);
    const search = { run: 'r', logs: [log], since: 1 };
    const table = await new ProcessScanner().scan();
    expect(await findLogWriters(table, search)).toEqual([]);
    const old = stranger(['sleep', '1000'], 'a', 2);
    const later = await new ProcessScanner().scan();
    expect((await findLogWriters(later, search)).map((entry) => entry.pid)).toEqual([old]);
    const since = (later.get(old)?.startTime ?? 0) + 1;
    expect(await findLogWriters(later, { ...search, since })).toEqual([]);
    expect(await findLogWriters(later, { ...search, logs: [`${log}x`] })).toEqual([]);
    kill(old, 'SIGKILL');
    await proc.signal('SIGTERM', 'unit');
    await proc.gone;
    expect(innocent.filter(runs)).toEqual(innocent);
  });
});
