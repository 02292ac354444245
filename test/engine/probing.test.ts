import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Probe } from '../../src/core/service.ts';
import { ProbeRunner } from '../../src/engine/instance/probes.ts';
import { settled } from '../rig/fake-clock.ts';
import { FAILED, OK, probe, rig, ScriptedFeed, ScriptedProber, StallingClock, tcp } from './probing-rig.ts';

describe('a ready probe that asks', () => {
  test('looks at once, then fast, then each interval, and says when it is ready', async () => {
    const { clock, prober, probing, told } = rig({ ready: tcp() });
    prober.next = (nth) => (nth < 3 ? FAILED : OK);
    probing.begin();
    await clock.pass(0);
    expect(prober.times).toEqual([0]);
    await clock.pass(200);
    expect(prober.times).toEqual([0, 25, 62.5, 118.75]);
    expect(told).toEqual(['ready']);
    await clock.pass(10_000);
    const gaps = prober.times.slice(3).map((at, i, all) => at - (all[i - 1] ?? 0));
    expect(gaps[1]).toBeGreaterThanOrEqual(2_000);
    expect(gaps[1]).toBeLessThan(2_500);
    expect(gaps.slice(2)).toEqual([2_000, 2_000, 2_000]);
    expect(told).toEqual(['ready']);
  });

  test('is lost after `retries` failures an interval apart, and comes back', async () => {
    const { clock, prober, probing, told } = rig({ ready: tcp() });
    probing.begin();
    await clock.pass(100);
    prober.next = () => FAILED;
    await clock.pass(3 * 2_000 + 500);
    expect(told).toEqual(['ready', 'unready: tcp 127.0.0.1:5432 failed 3 times in a row: no good']);
    const looks = prober.looks.length;
    await clock.pass(6_000);
    expect(prober.looks.length - looks).toBe(3);
    prober.next = () => OK;
    await clock.pass(2_000);
    expect(told.slice(2)).toEqual(['ready']);
  });

  test('asks for several successes an interval apart', async () => {
    const { clock, prober, probing, told } = rig({ ready: tcp({ success: 3 }) });
    probing.begin();
    await clock.pass(3_999);
    expect([prober.times, told]).toEqual([[0, 2_000], []]);
    await clock.pass(1);
    expect([prober.times, told]).toEqual([[0, 2_000, 4_000], ['ready']]);
  });

  test('never makes a second look while the first is under way', async () => {
    const { clock, prober, probing } = rig({ ready: tcp({ intervalMs: 100 }) });
    prober.next = () => undefined;
    probing.begin();
    await clock.pass(950);
    expect(prober.looks.length).toBe(1);
    prober.last.answer(FAILED);
    await clock.pass(0);
    expect(prober.times).toEqual([0, 950]);
    expect(prober.most).toBe(1);
  });

  test('of a run that was ready before stays ready until failures say otherwise', async () => {
    const { clock, prober, probing, told } = rig({ ready: tcp() }, { wasReady: true, startedAt: -60_000 });
    probing.begin();
    await clock.pass(5_000);
    expect(told).toEqual([]);
    prober.next = () => FAILED;
    await clock.pass(6_000);
    expect(told).toEqual(['unready: tcp 127.0.0.1:5432 failed 3 times in a row: no good']);
  });
});

describe('a live probe that asks', () => {
  test('looks first after an interval, and calls the run unhealthy once', async () => {
    const { clock, prober, probing, told } = rig({ live: tcp() });
    prober.next = () => FAILED;
    probing.begin();
    await clock.pass(1_999);
    expect(prober.looks).toEqual([]);
    await clock.pass(20_000);
    expect(told).toEqual(['unhealthy: tcp 127.0.0.1:5432 failed 3 times in a row: no good']);
  });

  test('counts nothing within the start period', async () => {
    const { clock, prober, probing, told } = rig(
      { live: tcp({ startPeriodMs: 30_000 }) },
      { startedAt: -10_000 },
    );
    prober.next = () => FAILED;
    probing.begin();
    await clock.pass(19_000);
    expect(told).toEqual([]);
    await clock.pass(8_000);
    expect(told.length).toBe(1);
  });
});

describe('a daemon that was not there in time', () => {
  test('throws a failure away whose look began too late', async () => {
    const { clock, prober, probing, told } = rig({ live: tcp({ retries: 1 }) });
    prober.next = (nth) => (nth === 0 ? FAILED : OK);
    probing.begin();
    await clock.pass(1_000);
    await clock.stall(60_000);
    expect(prober.looks.length).toBe(1);
    expect(told).toEqual([]);
    expect(probing.view().live?.last).toBeUndefined();
    await clock.pass(250);
    expect(prober.looks.length).toBe(2);
    expect(probing.view().live?.last?.ok).toBe(true);
  });

  test('throws a failure away whose look was held up', async () => {
    const { clock, prober, probing, told } = rig({ live: tcp({ retries: 1 }) });
    prober.next = () => undefined;
    probing.begin();
    await clock.pass(2_500);
    expect(prober.looks.length).toBe(1);
    await clock.stall(3_000);
    prober.last.answer(FAILED);
    prober.next = () => FAILED;
    await clock.pass(0);
    expect(told).toEqual([]);
    await clock.pass(250);
    expect(told).toEqual(['unhealthy: tcp 127.0.0.1:5432 failed: no good']);
  });

  test('throws a failure away that was read before the timer that is late', async () => {
    const { clock, prober, probing, told } = rig({ live: tcp({ retries: 1 }) });
    prober.next = () => undefined;
    probing.begin();
    await clock.pass(2_500);
    const { answer } = prober.last;
    clock.after(1, () => answer(FAILED));
    await clock.stall(3_000);
    expect(told).toEqual([]);
  });

  test('lets a success count in any case', async () => {
    const { clock, prober, probing, told } = rig({ ready: tcp() });
    prober.next = () => undefined;
    probing.begin();
    await clock.pass(10);
    await clock.stall(10_000);
    prober.last.answer(OK);
    await clock.pass(0);
    expect(told).toEqual(['ready']);
  });

  test('takes a failure that was only a little late for what it is', async () => {
    const { clock, prober, probing, told } = rig({ live: tcp({ retries: 1 }) });
    prober.next = () => FAILED;
    probing.begin();
    await clock.pass(1_900);
    await clock.stall(1_000);
    expect(told.length).toBe(1);
  });
});

test('a look that cannot be ended counts as failing, and is joined by no other', async () => {
  const { clock, prober, probing, told } = rig({ live: tcp({ retries: 2 }) });
  prober.next = () => undefined;
  probing.begin();
  await clock.pass(9_000);
  expect(prober.looks.length).toBe(1);
  expect(prober.last.signal.aborted).toBe(true);
  const reason = 'no end within 1s, and it cannot be ended';
  expect(told).toEqual([`unhealthy: tcp 127.0.0.1:5432 failed 2 times in a row: ${reason}`]);
  prober.next = () => OK;
  prober.last.answer(FAILED);
  await clock.pass(250);
  expect(prober.looks.length).toBe(2);
  expect(probing.view().live?.last?.ok).toBe(true);
});

describe('what is asked', () => {
  test('has its late references filled in, and tells a command which probe it is', async () => {
    const port = { ref: 'port', service: 'web', port: 'http' } as const;
    const check = {
      kind: 'exec',
      command: { kind: 'shell', shell: ['/bin/sh', '-c'], script: ['nc -z :', port] },
    } as const;
    const context = { service: 'web', number: 2, ports: () => 8081 };
    const { clock, prober, probing } = rig({ ready: probe(check), live: probe(check) }, { context });
    probing.begin();
    await clock.pass(3_000);
    const argv = ['/bin/sh', '-c', 'nc -z :8081'];
    expect(prober.looks[0]?.check).toEqual({
      kind: 'exec',
      argv,
      cwd: '/srv',
      env: { PATH: '/bin', SETPOINT_PROBE: 'ready' },
    });
    expect(prober.looks.map(({ check: c }) => c.kind === 'exec' && c.env['SETPOINT_PROBE'])).toContain(
      'live',
    );
    expect(probing.view().ready?.what).toBe('exec nc -z :8081');
  });

  test('fails with the reason where a reference is not known, and succeeds once it is', async () => {
    let number: number | undefined;
    const port = [{ ref: 'port', service: 'db', port: 'sql' } as const];
    const context = { service: 'web', number: 1, ports: () => number };
    const { clock, prober, probing, told } = rig(
      { ready: probe({ kind: 'tcp', host: 'localhost', port }) },
      { context },
    );
    probing.begin();
    await clock.pass(10);
    expect(probing.view().ready).toMatchObject({
      what: 'tcp localhost:?',
      last: { ok: false, output: 'the number of port `sql` of `db` is not known' },
    });
    number = 70_000;
    await clock.pass(50);
    expect(probing.view().ready?.last?.output).toBe('`70000` is not the number of a port, from 1 to 65535');
    number = 5432;
    await clock.pass(100);
    expect(told).toEqual(['ready']);
    expect(prober.looks[0]?.check).toEqual({ kind: 'tcp', host: 'localhost', port: 5432 });
  });

  test.each<[Probe['check'], string]>([
    [
      {
        kind: 'http',
        url: 'http://u:hunter2@127.0.0.1/health',
        method: 'GET',
        headers: { A: 'b' },
        status: [],
      },
      'http GET http://u:***@127.0.0.1/health',
    ],
    [{ kind: 'tcp', host: '::1', port: '80' }, 'tcp [::1]:80'],
    [{ kind: 'exec', command: { kind: 'exec', argv: ['pg_isready', '-q'] } }, 'exec pg_isready -q'],
    [{ kind: 'log', pattern: 'up and .*' }, 'log /up and .*/'],
    [{ kind: 'log', pattern: 'up', stream: 'stderr' }, 'log /up/ in stderr'],
    [{ kind: 'notify' }, 'notify'],
  ])('is said in words: %o', (check, what) => {
    const { probing } = rig({ ready: probe(check) });
    probing.begin();
    expect(probing.view().ready?.what).toBe(what);
    probing.end();
  });
});

describe('what is shown', () => {
  test('is the last result, masked, in one line and bounded', async () => {
    const { clock, prober, probing } = rig({ ready: tcp() });
    prober.next = () => ({
      ok: false,
      end: 'exit 1',
      output: 'a\nb\n\n  password is hunter2 \r\n\u001b[31mred\nlast\n',
    });
    probing.begin();
    await clock.pass(10);
    expect(probing.view().ready).toEqual({
      what: 'tcp 127.0.0.1:5432',
      last: {
        ok: false,
        at: clock.wall() - 10,
        tookMs: 0,
        output: 'exit 1: password is *** | \\x1b[31mred | last',
      },
      inARow: 1,
      retries: 3,
    });
    prober.next = () => ({ ok: false, output: `${'x'.repeat(500)} the end` });
    await clock.pass(100);
    const output = probing.view().ready?.last?.output ?? '';
    expect(output).toHaveLength(300);
    expect(output).toMatch(/^\.\.\.x+ the end$/);
  });

  test('is told as changed only where a person would see a difference', async () => {
    const made = rig({ ready: tcp() });
    made.probing.begin();
    await made.clock.pass(100);
    const ready = made.changes;
    await made.clock.pass(20_000);
    expect(made.changes).toBe(ready);
    made.prober.next = () => FAILED;
    await made.clock.pass(20_000);
    expect(made.changes).toBe(ready + 3);
  });
});

describe('a change of settings', () => {
  test('leaves alone what has not changed', async () => {
    const { clock, prober, probing, told } = rig({ ready: tcp(), live: tcp({ intervalMs: 5_000 }) });
    prober.next = () => undefined;
    probing.begin();
    await clock.pass(10);
    probing.update({ ready: tcp(), live: tcp({ intervalMs: 7_000 }) }, []);
    expect(prober.last.signal.aborted).toBe(false);
    prober.last.answer(OK);
    await clock.pass(0);
    expect(told).toEqual(['ready']);
    expect(prober.looks.length).toBe(1);
  });

  test('keeps a run ready until the new probe says otherwise', async () => {
    const { clock, prober, probing, told } = rig({ ready: tcp() });
    probing.begin();
    await clock.pass(10);
    prober.next = () => FAILED;
    probing.update({ ready: tcp({ retries: 2, intervalMs: 100 }) }, []);
    await clock.pass(300);
    expect(told).toEqual(['ready', 'unready: tcp 127.0.0.1:5432 failed 2 times in a row: no good']);
    probing.update({}, []);
    await clock.pass(10_000);
    expect(probing.view()).toEqual({});
    expect(clock.armed).toBe(0);
  });

  test('aborts a look of the old settings, whose answer nobody hears', async () => {
    const { clock, prober, probing, told } = rig({ ready: tcp() });
    prober.next = () => undefined;
    probing.begin();
    await clock.pass(10);
    const [first] = prober.looks;
    probing.update({ ready: tcp({ retries: 9 }) }, []);
    expect(first?.signal.aborted).toBe(true);
    first?.answer(OK);
    await clock.pass(10);
    expect(told).toEqual([]);
    prober.last.answer(OK);
    await clock.pass(0);
    expect(told).toEqual(['ready']);
  });
});

describe('the end', () => {
  test('leaves no timer, no reader, no listener and no look', async () => {
    const feed = new ScriptedFeed();
    const made = rig(
      { ready: tcp(), live: probe({ kind: 'notify' }) },
      { notify: feed, patterns: ['never'] },
    );
    const { clock, prober, probing, logs, told } = made;
    prober.next = () => undefined;
    probing.begin();
    await clock.pass(10);
    expect([prober.active, logs.reading, feed.listeners, clock.armed > 0]).toEqual([1, 1, 1, true]);
    probing.end();
    probing.end();
    await settled();
    expect(prober.last.signal.aborted).toBe(true);
    expect([logs.reading, feed.listeners, clock.armed]).toEqual([0, 0, 0]);
    prober.last.answer(OK);
    feed.say({ ready: true, triggers: 1, status: 'x' });
    logs.write('never');
    await clock.pass(10_000);
    expect([told, made.changes]).toEqual([[], 0]);
  });

  test.each(['ready', 'unready', 'unhealthy', 'seen'])(
    'can come from within being told `%s`',
    async (what) => {
      const feed = new ScriptedFeed();
      const probes = { ready: tcp({ retries: 1 }), live: probe({ kind: 'notify' }, { intervalMs: 60_000 }) };
      const all = rig(probes, { notify: feed, patterns: ['line'] });
      all.onTold = (said) => {
        if (said.startsWith(what)) all.probing.end();
      };
      all.probing.begin();
      await all.clock.pass(0);
      all.logs.write('line');
      await all.clock.pass(10);
      all.prober.next = () => FAILED;
      await all.clock.pass(3_000);
      feed.say({ triggers: 1 });
      await all.clock.pass(3_000);
      expect(all.told.at(-1)?.startsWith(what)).toBe(true);
      expect([all.clock.armed, all.logs.reading, feed.listeners]).toEqual([0, 0, 0]);
    },
  );

  test('before the beginning means that nothing ever begins', async () => {
    const { clock, prober, probing } = rig({ ready: tcp() });
    probing.end();
    probing.begin();
    await clock.pass(10_000);
    expect(prober.looks).toEqual([]);
  });
});

test('nothing runs for a service without a probe, nor for what is only told', () => {
  const feed = new ScriptedFeed();
  for (const probes of [
    {},
    { ready: probe({ kind: 'notify' }) },
    { ready: probe({ kind: 'log', pattern: 'x' }) },
  ]) {
    const { clock, probing } = rig(probes, { notify: feed });
    probing.begin();
    expect(clock.armed).toBe(0);
    probing.end();
  }
});

test('looks of a hundred services that are ready together do not stay together', async () => {
  const clock = new StallingClock();
  const prober = new ScriptedProber(clock);
  const host = {
    ready() {},
    unready() {},
    unhealthy() {},
    changed() {},
    seen() {},
    probed() {},
    masked: (text: string) => text,
  };
  const logs = {
    runLines: (): AsyncIterable<string> => ({
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('not read')) }),
    }),
  };
  const run = { run: 'r', cwd: '/', env: {}, startedAt: 0, wasReady: false, patterns: [] };
  const all = Array.from({ length: 100 }, (_, i) => {
    const context = { service: `s${i}`, number: 1 };
    return new ProbeRunner(
      { clock, prober, logs },
      host,
      { ...run, instance: `s${i}.1`, context, onMachine: context },
      { ready: tcp() },
    );
  });
  for (const probing of all) probing.begin();
  await clock.pass(100);
  expect(prober.looks.length).toBe(100);
  await clock.pass(3_000);
  const buckets = new Map<number, number>();
  for (const at of prober.times.slice(100))
    buckets.set(Math.floor(at / 50), (buckets.get(Math.floor(at / 50)) ?? 0) + 1);
  expect(Math.max(...buckets.values())).toBeLessThan(30);
  for (const probing of all) probing.end();
});

test('10,000 random results lead to what a simple count says', async () => {
  const settings = fc.record({
    retries: fc.integer({ min: 1, max: 4 }),
    success: fc.integer({ min: 1, max: 3 }),
  });
  const results = fc.array(fc.boolean(), { minLength: 500, maxLength: 500 });
  await fc.assert(
    fc.asyncProperty(settings, results, async ({ retries, success }, outcomes) => {
      const { clock, prober, probing, told } = rig({
        ready: tcp({ retries, success, intervalMs: 10, timeoutMs: 5 }),
      });
      prober.next = (nth) => (outcomes[nth] === true ? OK : FAILED);
      probing.begin();
      while (prober.looks.length < outcomes.length) await clock.pass(10);
      probing.end();
      expect(told.map((what) => what.split(':')[0])).toEqual(
        counted(outcomes.slice(0, prober.looks.length), retries, success),
      );
      expect(prober.most).toBe(1);
    }),
    { numRuns: 20 },
  );
});

function counted(outcomes: readonly boolean[], retries: number, success: number): string[] {
  const told: string[] = [];
  let isReady = false;
  let row = 0;
  outcomes.forEach((good, i) => {
    row = good === outcomes[i - 1] ? row + 1 : 1;
    if (good === isReady || row < (good ? success : retries)) return;
    isReady = good;
    told.push(good ? 'ready' : 'unready');
  });
  return told;
}
