import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../../rig/wait.ts';
import { lacksOwnEngine, OwnEngine } from './engine.ts';
import { Bench, containerProc, type ContainerProc, textOf } from './rig.ts';

const lack = lacksOwnEngine();
const because = lack === undefined ? '' : ` (${lack})`;

/** Writes numbered lines of both streams, as fast as it can but for a pause now and then, then says that it is done. */
const flood = (lines: number): string =>
  `i=0; while [ $i -lt ${lines} ]; do i=$((i+1)); echo "out $i"; [ $((i % 10)) = 0 ] && echo "err $i" >&2; [ $((i % 2000)) = 0 ] && sleep 0.1; done; echo done`;

function numbers(text: string, word: string): number[] {
  return text.split('\n').flatMap((line) => (line.startsWith(`${word} `) ? [Number(line.slice(4))] : []));
}

function isCountedTo(found: readonly number[], last: number, step = 1): boolean {
  return found.length === last / step && found.every((number, at) => number === (at + 1) * step);
}

describe.skipIf(lack !== undefined)(`an engine that keeps containers alive without it${because}`, () => {
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
      expect(await backend.available()).toMatchObject({
        available: false,
        reason: expect.stringContaining('has not answered') as string,
      });
      const second = await backend.start(
        bench.request({ docker: { command: ['sleep', '9'] } }, { number: 2 }),
      );
      expect(second).toMatchObject({ ok: false, error: { code: 'engine-unavailable' } });
    } finally {
      engine.signal('SIGCONT');
    }
    await eventually('it is known again', () => proc.knowledge.current() === 'known');
    await proc.signal('SIGKILL', 'unit');
    expect(await proc.exited).toEqual({ kind: 'signal', signal: 'SIGKILL' });
  }, 60_000);

  test('a flood comes whole, each line once, though daemons and the engine come and go', async () => {
    const LINES = 100_000;
    const { request, proc } = await bench.script(bench.backend(), flood(LINES));
    let last: ContainerProc = proc;
    for (let round = 0; round < 6; round += 1) {
      const size = textOf(request.stdoutPath).length;
      await eventually('more came', () => textOf(request.stdoutPath).length > size);
      if (round === 3) {
        await engine.kill();
        await engine.start();
      } else {
        // As if the daemon had been killed: nothing more is noted by the old one.
        const backend = bench.backend();
        bench.closeAllBut(backend);
        const [adopted] = await backend.adopt([bench.record(request)]);
        last = containerProc(adopted);
      }
    }
    await last.exited;
    expect(textOf(request.stdoutPath).endsWith('done\n')).toBe(true);
    expect(isCountedTo(numbers(textOf(request.stdoutPath), 'out'), LINES)).toBe(true);
    expect(isCountedTo(numbers(textOf(request.stderrPath), 'err'), LINES, 10)).toBe(true);
  }, 120_000);
});

describe.skipIf(lack !== undefined)(`an engine whose containers end with it${because}`, () => {
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
