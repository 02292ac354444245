import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bootId } from '../../../src/host/identity.ts';
import { createNativeBackend } from '../../../src/backends/native/native-backend.ts';
import type { Proc, StartRequest } from '../../../src/ports/backend.ts';
import { AnotherDaemon } from './another-daemon.ts';
import { kill, Rig, runs, until } from './rig.ts';

let rig: Rig;
let another: AnotherDaemon;
beforeAll(async () => {
  another = await AnotherDaemon.build();
});
afterAll(() => another.close());
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.close());

function startByAnother(requests: readonly StartRequest[]): Promise<readonly number[]> {
  return another.startAndDie(requests);
}

async function adopt(requests: readonly Parameters<Rig['adoptRequest']>[]): Promise<readonly Proc[]> {
  return createNativeBackend({}).adopt(requests.map((args) => rig.adoptRequest(...args)));
}

async function adoptOne(...args: Parameters<Rig['adoptRequest']>): Promise<Proc> {
  const [proc] = await adopt([args]);
  if (proc === undefined) throw new Error('nothing adopted');
  return proc;
}

describe('after the daemon was killed', () => {
  test('a later one finds each run: those that live, and how those ended that did not', async () => {
    const counting = 'n=0; while [ $n -lt 400 ]; do n=$((n+1)); echo $n; done; read -r line <go; exit 7';
    const living = rig.request(['/bin/sh', '-c', `mkfifo go; ${counting}`], {}, { instance: 'living.1' });
    const coded = rig.request(['/bin/sh', '-c', 'read -r line <go2; exit 137'], {}, { instance: 'coded.1' });
    const killed = rig.request(['sleep', '1000'], {}, { instance: 'killed.1' });
    const [livingPid = 0, codedPid = 0, killedPid = 0] = await startByAnother([
      living,
      withFifo(coded),
      killed,
    ]);
    writeFileSync(join(rig.dir, 'go2'), '\n');
    kill(killedPid, 'SIGKILL');
    await until(() => !runs(codedPid) && !runs(killedPid));

    const [first, second, third] = await adopt([[living], [coded], [killed]]);
    expect([first?.over, second?.over, third?.over]).toEqual([undefined, true, true]);
    expect([first?.pid(), second?.pid(), third?.pid()]).toEqual([livingPid, codedPid, killedPid]);
    expect(await second?.exited).toEqual({ kind: 'code', code: 137 });
    expect(await third?.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
    await Promise.all([second?.gone, third?.gone]);

    expect(runs(livingPid)).toBe(true);
    expect((await first?.members())?.map((member) => member.pid)).toEqual([livingPid]);
    writeFileSync(join(rig.dir, 'go'), '\n');
    expect(await first?.exited).toEqual({ kind: 'code', code: 7 });
    await first?.gone;
    expect(rig.stdout('living.1')).toBe(Array.from({ length: 400 }, (_, n) => `${n + 1}\n`).join(''));
  });

  test('an adopted run is stopped like one of its own', async () => {
    const request = rig.request(['/bin/sh', '-c', `setsid sleep 1000 & exec sleep 1000`]);
    await startByAnother([request]);
    const proc = await adoptOne(request);
    await proc.signal('SIGTERM', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
    await proc.gone;
  });

  test('the end is seen without the FIFO as well', async () => {
    const request = rig.request(['sleep', '1000']);
    const [pid = 0] = await startByAnother([request]);
    rmSync(join(request.instanceDir, 'alive'));
    const proc = await adoptOne(request);
    kill(pid, 'SIGTERM');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
    await proc.gone;
  });

  test('a launcher that wrote no record is found by its cookie', async () => {
    const request = rig.request(['sleep', '1000']);
    const [pid] = await startByAnother([request]);
    const record = join(request.instanceDir, 'exit');
    const text = readFileSync(record, 'utf8');
    writeFileSync(record, '');
    const proc = await adoptOne(request);
    expect((await proc.members()).map((member) => member.pid)).toEqual([pid]);
    writeFileSync(record, text);
    await proc.signal('SIGTERM', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGTERM' });
    await proc.gone;
  });

  test('a run whose launcher was killed has ended unknown, and what is left of it is named until it is gone', async () => {
    const request = rig.request(['sleep', '1000']);
    const [pid = 0] = await startByAnother([request]);
    const launcher = Number(readFileSync(join(request.instanceDir, 'exit'), 'utf8').split(' ')[3]);
    kill(launcher, 'SIGKILL');
    await until(() => !runs(launcher));
    const proc = await adoptOne(request);
    expect(await proc.exited).toEqual({
      kind: 'unknown',
      why: 'its launcher is gone and left no exit status',
    });
    expect((await proc.members()).map((member) => member.pid)).toEqual([pid]);
    await proc.signal('SIGTERM', 'unit');
    await proc.gone;
    expect(runs(pid)).toBe(false);
  });

  test('a silent death by the signal of a stop that was under way counts as that', async () => {
    const request = rig.request(['sleep', '1000']);
    const [pid = 0] = await startByAnother([request]);
    kill(pid, 'SIGINT');
    await until(() => !runs(pid));
    const stop = { signal: 'SIGINT', graceMs: 1, killTree: true };
    const stopping = await adoptOne(request, {
      stop,
      stopping: { at: 1, cause: { kind: 'user', request: 'stop' } },
    });
    expect(await stopping.exited).toEqual({ kind: 'signal', signal: 'SIGINT' });
    expect(await (await adoptOne(request)).exited).toEqual({ kind: 'code', code: 130 });
  });
});

describe('records alone', () => {
  test('of before a restart of the machine lead to no process, whoever has the pid now', async () => {
    const request = rig.request(['true']);
    const text = `begun ${request.run} another-boot ${process.pid} ${process.pid}\n`;
    writeFileSync(join(request.instanceDir, 'exit'), text);
    const proc = await adoptOne(request);
    expect(await proc.exited).toEqual({ kind: 'unknown', why: 'the machine was restarted' });
    expect(await proc.members()).toEqual([]);
    expect(await proc.signal('SIGKILL', 'unit')).toBe(0);
    await proc.gone;
  });

  test('of before a restart of the machine still tell how the service had ended', async () => {
    const request = rig.request(['true']);
    const text = `begun ${request.run} another-boot 1 2\nended ${request.run} 3\n`;
    writeFileSync(join(request.instanceDir, 'exit'), text);
    const proc = await adoptOne(request);
    expect(await proc.exited).toEqual({ kind: 'code', code: 3 });
  });

  test('of another run are not taken for this one', async () => {
    const other = await rig.sh('exit 3');
    await other.exited;
    expect(await adopt([[rig.request(['true'])]])).toEqual([]);
  });

  test('that name a pid which is now somebody else lead to nobody', async () => {
    const request = rig.request(['true']);
    const text = `begun ${request.run} ${bootId()} ${process.pid} ${process.pid}\n`;
    writeFileSync(join(request.instanceDir, 'exit'), text);
    const proc = await adoptOne(request);
    expect(await proc.exited).toMatchObject({ kind: 'unknown' });
    expect(await proc.signal('SIGKILL', 'unit')).toBe(0);
    await proc.gone;
  });

  test('of a run that was seen to its end are passed over', async () => {
    const request = rig.request(['true']);
    expect(await adopt([[request, { ended: { at: 1, exit: { kind: 'code', code: 0 } } }]])).toEqual([]);
  });
});

function withFifo(request: StartRequest): StartRequest {
  const [shell = '', flag = '', script = ''] = request.launch.argv;
  return { ...request, launch: { ...request.launch, argv: [shell, flag, `mkfifo go2; ${script}`] } };
}
