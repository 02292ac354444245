import { existsSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { FrameReader } from '../../../src/backends/docker/frames.ts';
import { eventually } from '../../rig/wait.ts';
import { describeOnOwnEngine, OwnEngine } from './engine.ts';
import { Bench, containerProc, type ContainerProc, textOf } from './rig.ts';

/** Writes numbered lines of both streams, as fast as it can but for a pause now and then, then says that it is done. */
const flood = (lines: number): string =>
  `i=0; while [ $i -lt ${lines} ]; do i=$((i+1)); echo "out $i"; [ $((i % 10)) = 0 ] && echo "err $i" >&2; [ $((i % 2000)) = 0 ] && sleep 0.1; done; echo done`;

function numbers(text: string, word: string): number[] {
  return text.split('\n').flatMap((line) => (line.startsWith(`${word} `) ? [Number(line.slice(4))] : []));
}

/** Where the counting is not as it should be. */
function breaks(found: readonly number[], last: number, step = 1): string[] {
  const wrong = [0, ...found].flatMap((number, at, all) => {
    const next = all[at + 1] ?? last + step;
    return next === number + step ? [] : [`${next} after ${number}`];
  });
  return wrong.slice(0, 10);
}

function isCountedTo(found: readonly number[], last: number, step = 1): boolean {
  return found.length === last / step && found.every((number, at) => number === (at + 1) * step);
}

describeOnOwnEngine('an engine that keeps containers alive without it', () => {
  let engine: OwnEngine;
  let bench: Bench;

  beforeAll(async () => {
    engine = await OwnEngine.start('--live-restore');
  }, 60_000);
  afterAll(() => engine.stop(), 60_000);
  beforeEach(() => {
    bench = new Bench(engine.host);
  });
  afterEach(() => bench.close());

  test('is killed and started again: nothing is concluded meanwhile, and its containers are followed on', async () => {
    const script = 'i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo "out $i"; sleep 0.02; done; exit 6';
    const { request, proc } = await bench.script(bench.backend(), script);
    await eventually('it writes', () => textOf(request.stdoutPath).includes('out 20\n'));
    const seen: string[] = [];
    proc.knowledge.subscribe(() => seen.push(proc.knowledge.current()));
    await engine.kill();
    await eventually('nothing is known', () => proc.knowledge.current() === 'unknown');
    let hasEnded = false;
    void proc.exited.then(() => (hasEnded = true));
    expect(await proc.stats()).toBeUndefined();
    expect(await proc.members()).toEqual([]);
    expect(hasEnded).toBe(false);
    await engine.start();
    await eventually('it is known again', () => proc.knowledge.current() === 'known');
    expect(await proc.exited).toEqual({ kind: 'code', code: 6 });
    expect(seen).toEqual(['unknown', 'known']);
    expect(isCountedTo(numbers(textOf(request.stdoutPath), 'out'), 300)).toBe(true);
  }, 60_000);

  test('a stop that could not be delivered is delivered when it is back', async () => {
    const { proc } = await bench.script(bench.backend(), 'sleep 1000');
    await engine.kill();
    expect(await proc.signal('SIGTERM', 'unit')).toBe(0);
    expect(await proc.signal('SIGKILL', 'unit')).toBe(0);
    await engine.start();
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
    await proc.gone;
  }, 60_000);

  test('is hung: nothing is known until it answers again, and a start says so', async () => {
    const backend = bench.backend({ answerMs: 700 });
    const { request, proc } = await bench.script(backend, 'while sleep 0.05; do echo tick; done');
    await eventually('it writes', () => textOf(request.stdoutPath) !== '');
    engine.signal('SIGSTOP');
    try {
      await eventually('nothing is known', () => proc.knowledge.current() === 'unknown');
      expect(await bench.ping({ answerMs: 700 })).toMatchObject({
        ok: false,
        error: { reason: expect.stringContaining('has not answered') as string },
      });
      const second = await backend.start(
        bench.request({ docker: { command: ['sleep', '9'] } }, { number: 2 }),
      );
      expect(second).toMatchObject({ ok: false, error: { code: 'engine-unavailable' } });
      expect(proc.knowledge.reason?.()).toContain('has not answered');
      // A probe that cannot be made has not failed in the service.
      expect(await proc.exec(['true'], { env: {}, timeoutMs: 300 })).toMatchObject({ kind: 'not-started' });
      expect(await proc.openExec({ argv: ['true'], tty: false, env: {} })).toMatchObject({
        ok: false,
        error: { code: 'engine-unavailable' },
      });
    } finally {
      engine.signal('SIGCONT');
    }
    await eventually('it is known again', () => proc.knowledge.current() === 'known');
    await proc.signal('SIGKILL', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
  }, 60_000);

  test('ends while the engine is away: its status is its own, and what the engine has of its output is there', async () => {
    const { request, proc } = await bench.script(bench.backend(), 'echo up; sleep 1.5; echo last; exit 4');
    await eventually('it is up', () => textOf(request.stdoutPath) === 'up\n');
    await engine.kill();
    const pid = proc.pid() ?? 0;
    await eventually('it has ended', () => !existsSync(`/proc/${pid}`));
    await engine.start();
    const exit = await proc.exited;
    // Engines differ in whether they learn it: what they do not know is not made up.
    if (exit.kind !== 'unknown') expect(exit).toEqual({ kind: 'code', code: 4 });
    // What came last nobody but the engine could have kept, and it was not there.
    expect(['up\n', 'up\nlast\n']).toContain(textOf(request.stdoutPath));
    await proc.gone;
  }, 60_000);

  test('a container that is removed while the engine is away has an unknown end, and its successor starts', async () => {
    const backend = bench.backend();
    const { proc } = await bench.script(backend, 'sleep 1000');
    bench.closeAllBut();
    await engine.docker.getContainer(`${bench.project}-web-1`).remove({ force: true });
    await engine.kill();
    const later = bench.backend();
    const [adopted] = await later.adopt([bench.record(bench.request({}, { run: proc.run }))]);
    expect(containerProc(adopted).knowledge.current()).toBe('unknown');
    await engine.start();
    expect(await adopted!.exited).toMatchObject({ kind: 'unknown' });
    await adopted!.gone;
    const next = await bench.script(later, 'exit 2');
    expect(await next.proc.exited).toEqual({ kind: 'code', code: 2 });
  }, 60_000);

  test('a flood comes whole, each line once, though daemons and the engine come and go', async () => {
    const LINES = 100_000;
    const { request, proc } = await bench.script(bench.backend(), `${flood(LINES)}; read x`, {
      stdin: 'pipe',
    });
    let last: ContainerProc = proc;
    for (let round = 0; round < 6; round += 1) {
      const size = textOf(request.stdoutPath).length;
      await eventually('more came', () => textOf(request.stdoutPath).length > size);
      if (round === 3) {
        await engine.kill();
        await engine.start();
      } else if (round === 4) {
        engine.signal('SIGSTOP');
        await eventually('nothing is known', () => last.knowledge.current() === 'unknown');
        engine.signal('SIGCONT');
      } else {
        // As if the daemon had been killed: nothing more is noted by the old one.
        const backend = bench.backend({ answerMs: 2_000 });
        bench.closeAllBut(backend);
        const [adopted] = await backend.adopt([bench.record(request)]);
        last = containerProc(adopted);
      }
    }
    await eventually('all came', () => textOf(request.stdoutPath).endsWith('done\n'), 60_000);
    // A killed engine may lose what it had read and not written yet: all that it has is what counts.
    const log = await engine.docker
      .getContainer(`${bench.project}-web-1`)
      .logs({ stdout: true, stderr: false });
    const its = new FrameReader().push(log);
    const text = Buffer.concat(its.map(({ data }) => data)).toString();
    expect(textOf(request.stdoutPath) === text).toBe(true);
    expect(breaks(numbers(text, 'out'), LINES).length).toBeLessThan(2);
    await last.signal('SIGKILL', 'unit');
    await last.exited;
    expect(breaks(numbers(textOf(request.stderrPath), 'err'), LINES, 10).length).toBeLessThan(2);
  }, 120_000);
});

describeOnOwnEngine('an engine whose containers end with it', () => {
  let engine: OwnEngine;
  let bench: Bench;

  beforeAll(async () => {
    engine = await OwnEngine.start();
  }, 60_000);
  afterAll(() => engine.stop(), 60_000);
  beforeEach(() => {
    bench = new Bench(engine.host);
  });
  afterEach(() => bench.close());

  test('no more containers run than the limit allows, counted over all projects; without a count none starts', async () => {
    const backend = bench.backend();
    const other = new Bench(engine.host);
    await other.script(other.backend(), 'sleep 1000');
    const maxContainers = 3;
    const docker = { maxContainers, command: ['sleep', '100'] };
    const outcomes = await Promise.all(
      [1, 2, 3, 4].map((number) => backend.start(bench.request({ docker }, { number }))),
    );
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(2);
    const refused = outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.error.code]));
    expect(refused).toEqual(['resource-shortage', 'resource-shortage']);
    await other.close();
  });

  test('is killed and started again: the end of what ran is learnt, and no status is invented', async () => {
    const { request, proc } = await bench.script(bench.backend(), 'echo up; sleep 1000');
    await eventually('it is up', () => textOf(request.stdoutPath) === 'up\n');
    await engine.kill();
    await eventually('nothing is known', () => proc.knowledge.current() === 'unknown');
    await engine.start();
    // The engine kills what it finds running, and says so.
    expect(await proc.exited).toEqual({ kind: 'code', code: 137 });
    expect(proc.knowledge.current()).toBe('known');
    expect(textOf(request.stdoutPath)).toBe('up\n');
    await proc.gone;
  }, 60_000);

  test('is away while a daemon starts: what it has is adopted once it is back', async () => {
    const { request } = await bench.script(bench.backend(), 'sleep 0.3; echo last; exit 8');
    bench.closeAllBut();
    const container = engine.docker.getContainer(`${bench.project}-web-1`);
    await eventually('it has ended', async () => !(await container.inspect()).State.Running);
    await engine.kill();
    const [proc] = await bench.backend().adopt([bench.record(request)]);
    expect(containerProc(proc).knowledge.current()).toBe('unknown');
    await engine.start();
    expect(await proc!.exited).toEqual({ kind: 'code', code: 8 });
    expect(textOf(request.stdoutPath)).toBe('last\n');
  }, 60_000);

  test('is stopped in order: what ran has ended, with its own status', async () => {
    const { request, proc } = await bench.script(
      bench.backend(),
      'trap "exit 3" TERM; echo up; sleep 1000 & wait',
    );
    await eventually('it is up', () => textOf(request.stdoutPath) === 'up\n');
    engine.signal('SIGTERM');
    await eventually('nothing is known', () => proc.knowledge.current() === 'unknown');
    await engine.untilEnded();
    await engine.start();
    expect(await proc.exited).toEqual({ kind: 'code', code: 3 });
  }, 60_000);
});
