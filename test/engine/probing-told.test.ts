import { describe, expect, test } from 'vitest';
import { LogScan } from '../../src/engine/instance/log-scan.ts';
import { settled } from '../rig/fake-clock.ts';
import { eventually } from '../rig/wait.ts';
import { probe, rig, ScriptedFeed, tcp } from './probing-rig.ts';

const LOG_READY = { ready: probe({ kind: 'log', pattern: 'listening on \\d+' }) };

describe('a log probe', () => {
  test('is ready with the first line that matches, for good, and then reads no more', async () => {
    const { clock, logs, probing, told } = rig(LOG_READY);
    probing.begin();
    logs.write('starting', 'listening on the port');
    await settled();
    expect(told).toEqual([]);
    await clock.pass(1_500);
    logs.write('hunter2 listening on 80', 'listening on 81');
    await settled();
    expect(told).toEqual(['ready']);
    expect(logs.reading).toBe(0);
    expect(probing.view().ready).toMatchObject({
      last: { ok: true, tookMs: 1_500, output: '*** listening on 80' },
      inARow: 1,
    });
    expect(clock.armed).toBe(0);
  });

  test('reads nothing of a run that was ready before', async () => {
    const { logs, probing, told } = rig(LOG_READY, { wasReady: true });
    probing.begin();
    await settled();
    expect(logs.opened).toEqual([]);
    expect(told).toEqual([]);
  });

  test('shares one pass with the patterns that dependents wait for', async () => {
    const { logs, probing, told } = rig(LOG_READY, { patterns: ['migrated', 'listening on \\d+'] });
    probing.begin();
    logs.write('listening on 80');
    await settled();
    expect(told).toEqual(['ready', 'seen listening on \\d+']);
    expect([logs.opened, logs.reading]).toEqual([[undefined], 1]);
    logs.write('migrated', 'migrated');
    await settled();
    expect(told.slice(2)).toEqual(['seen migrated']);
    expect([logs.opened.length, logs.reading]).toEqual([1, 0]);
  });

  test('reads one stream alone where it names one', async () => {
    const ready = probe({ kind: 'log', pattern: 'up', stream: 'stderr' });
    const { logs, probing, told } = rig({ ready }, { patterns: ['other'] });
    probing.begin();
    await settled();
    expect([...logs.opened].sort()).toEqual(['stderr', undefined]);
    logs.write('up');
    await settled();
    expect(told).toEqual(['ready']);
    expect(logs.reading).toBe(1);
    probing.end();
  });

  test('reads from the beginning for what is wanted later, and not at all for what was seen', async () => {
    const { logs, probing, told } = rig(LOG_READY, { patterns: ['first'] });
    probing.begin();
    logs.write('first', 'second');
    await settled();
    probing.update(LOG_READY, ['first']);
    await settled();
    expect(logs.opened.length).toBe(1);
    probing.update(LOG_READY, ['first', 'second']);
    await settled();
    expect([told, logs.opened.length, logs.reading]).toEqual([['seen first', 'seen second'], 2, 1]);
    logs.write('listening on 1');
    await settled();
    probing.update({ ready: tcp() }, ['listening on \\d+']);
    expect(told.slice(2)).toEqual(['ready', 'seen listening on \\d+']);
    expect(logs.reading).toBe(0);
    probing.end();
  });

  test('says what it cannot look for', () => {
    const { probing, logs } = rig({ ready: probe({ kind: 'log', pattern: '(a+)+' }) });
    probing.begin();
    expect(probing.view().ready?.last).toMatchObject({ ok: false });
    expect(probing.view().ready?.last?.output).toMatch(/repeated group/);
    expect(logs.opened).toEqual([]);
  });

  test('gives way while lines come faster than they can be looked at', async () => {
    let read = 0;
    let turns = 0;
    const abort = new AbortController();
    const found: string[] = [];
    const scan = new LogScan({
      clock: { now: () => performance.now(), wall: () => Date.now(), after: () => () => {} },
      // eslint-disable-next-line @typescript-eslint/require-await
      async *lines(_stream, signal) {
        while (!signal.aborted) yield turns < 20 ? `line ${(read += 1)}` : 'the end';
      },
      found: ({ pattern }) => found.push(pattern),
      failed: () => {},
    });
    const turn = (): void => {
      turns += 1;
      if (!abort.signal.aborted) setImmediate(turn);
    };
    setImmediate(turn);
    scan.want([{ pattern: 'the end' }]);
    // A loop that is never given back would hang here for good.
    await eventually('the end was seen', () => found.length === 1);
    abort.abort();
    expect(read).toBeGreaterThan(20);
  });
});

const NOTIFY = { ready: probe({ kind: 'notify' }) };

describe('readiness by notify', () => {
  test('comes with READY=1, outlasts a reload, and goes with STOPPING=1', () => {
    const feed = new ScriptedFeed();
    const { probing, told } = rig(NOTIFY, { notify: feed });
    probing.begin();
    expect(told).toEqual([]);
    feed.say({ ready: true });
    feed.say({ ready: false, reloading: true });
    feed.say({ ready: true, reloading: false });
    expect(told).toEqual(['ready']);
    feed.say({ ready: false, stopping: true });
    expect(told).toEqual(['ready', 'unready: says it is stopping']);
    expect(probing.view().ready?.last).toMatchObject({ ok: false, output: 'says it is stopping' });
  });

  test('is known at once where it was said before', () => {
    const feed = new ScriptedFeed();
    feed.say({ ready: true });
    const first = rig(NOTIFY, { notify: feed });
    first.probing.begin();
    expect(first.told).toEqual(['ready']);
    const again = rig(NOTIFY, { notify: feed, wasReady: true });
    again.probing.begin();
    expect(again.told).toEqual([]);
    expect(again.probing.view().ready?.last?.ok).toBe(true);
  });

  test('is kept by a run that was ready, and whose feed says nothing', () => {
    const { probing, told } = rig(NOTIFY, { notify: new ScriptedFeed(), wasReady: true });
    probing.begin();
    expect(told).toEqual([]);
  });

  test('cannot come without a socket, and that is said', () => {
    const { probing, told } = rig(NOTIFY);
    probing.begin();
    expect(told).toEqual([]);
    expect(probing.view().ready?.last?.output).toBe('the run has no notify socket');
  });
});

test('what the service says of itself is shown masked, on one line and bounded', () => {
  const feed = new ScriptedFeed();
  feed.say({ status: 'hunter2\nloading' });
  const made = rig({}, { notify: feed });
  made.probing.begin();
  expect(made.probing.view()).toEqual({ statusText: '***\\nloading' });
  feed.say({ status: 'x'.repeat(500) });
  expect(made.probing.view().statusText).toBe(`${'x'.repeat(200)}...`);
  expect(made.changes).toBe(1);
  feed.say({ pings: 1 });
  expect(made.changes).toBe(1);
  feed.say({ status: ' ' });
  expect(made.probing.view()).toEqual({});
});

const WATCHED = { live: probe({ kind: 'notify' }, { intervalMs: 1_000, retries: 2 }) };

describe('keep-alives by notify', () => {
  test('are awaited each interval; `retries` of them missing in a row is unhealthy', async () => {
    const feed = new ScriptedFeed();
    const { clock, probing, told } = rig(WATCHED, { notify: feed });
    probing.begin();
    for (let i = 0; i < 10; i += 1) {
      await clock.pass(900);
      feed.ping();
    }
    await clock.pass(1_500);
    expect(probing.view().live).toMatchObject({
      inARow: 1,
      last: { ok: false, output: 'no WATCHDOG=1 within 1s' },
    });
    feed.ping();
    await clock.pass(1_500);
    expect(told).toEqual([]);
    await clock.pass(2_000);
    expect(told).toEqual(['unhealthy: no WATCHDOG=1 within 1s, 2 times in a row']);
    await clock.pass(10_000);
    expect(told.length).toBe(1);
  });

  test('need one timer, however many come', () => {
    const feed = new ScriptedFeed();
    const { clock, probing } = rig(WATCHED, { notify: feed });
    probing.begin();
    for (let i = 0; i < 1_000; i += 1) feed.ping();
    expect(clock.armed).toBe(1);
    probing.end();
  });

  test('are awaited from READY=1 on where that is how the service tells that it has started', async () => {
    const feed = new ScriptedFeed();
    const { clock, probing, told } = rig({ ...NOTIFY, ...WATCHED }, { notify: feed });
    probing.begin();
    await clock.pass(60_000);
    expect(told).toEqual([]);
    feed.say({ ready: true });
    await clock.pass(3_000);
    expect(told).toEqual(['ready', 'unhealthy: no WATCHDOG=1 within 1s, 2 times in a row']);
  });

  test('are given a whole interval again after the daemon was late', async () => {
    const feed = new ScriptedFeed();
    const { clock, probing, told } = rig(
      { live: probe({ kind: 'notify' }, { intervalMs: 1_000, retries: 1 }) },
      { notify: feed },
    );
    probing.begin();
    await clock.pass(500);
    await clock.stall(3_600_000);
    expect(told).toEqual([]);
    await clock.pass(900);
    feed.ping();
    await clock.pass(1_200);
    expect(told).toEqual([]);
    await clock.pass(100);
    expect(told.length).toBe(1);
  });

  test('come as often as the service asks for, and later where it asks for that once', async () => {
    const feed = new ScriptedFeed();
    const { clock, probing, told } = rig(
      { live: probe({ kind: 'notify' }, { retries: 1 }) },
      { notify: feed },
    );
    probing.begin();
    feed.say({ watchdogMs: 10_000 });
    await clock.pass(9_000);
    feed.ping();
    await clock.pass(9_000);
    feed.say({ extendMs: 30_000, extensions: 1 });
    await clock.pass(29_000);
    expect(told).toEqual([]);
    await clock.pass(2_000);
    expect(told).toEqual(['unhealthy: no WATCHDOG=1 within 10s']);
  });

  test('can be asked for too often to be kept to, or not at all', async () => {
    const feed = new ScriptedFeed();
    const { clock, probing } = rig(
      { live: probe({ kind: 'notify' }, { retries: 100_000 }) },
      { notify: feed },
    );
    feed.say({ watchdogMs: 0.001 });
    probing.begin();
    await clock.pass(100);
    expect(probing.view().live?.inARow).toBeLessThanOrEqual(10);
    feed.say({ watchdogMs: 0 });
    await clock.pass(1_500);
    expect(probing.view().live?.inARow).toBeLessThanOrEqual(10);
    probing.end();
  });

  test('can be replaced by the service asking to be treated as hung', async () => {
    const feed = new ScriptedFeed();
    const { clock, probing, told } = rig(
      { live: probe({ kind: 'notify' }, { startPeriodMs: 60_000 }) },
      { notify: feed },
    );
    probing.begin();
    await clock.pass(10);
    feed.say({ triggers: 1 });
    expect(told).toEqual(['unhealthy: asks to be treated as hung (WATCHDOG=trigger)']);
    probing.end();
  });

  test('of a trigger from before the probe was there say nothing, but of one that nobody has acted upon yet', () => {
    const feed = new ScriptedFeed();
    feed.say({ triggers: 1 });
    const later = rig({}, { notify: feed });
    later.probing.begin();
    later.probing.update(WATCHED, []);
    expect(later.told).toEqual([]);
    later.probing.end();
    const adopted = rig(WATCHED, { notify: feed });
    adopted.probing.begin();
    expect(adopted.told.length).toBe(1);
    adopted.probing.end();
  });
});
