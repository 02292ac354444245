import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LogLine } from '../../src/core/api.ts';
import { createLogStore } from '../../src/logs/log-store.ts';
import { loggedInstances, queryOffline } from '../../src/logs/offline.ts';
import type { InstanceLogQuery, LogStore } from '../../src/ports/logs.ts';

let stateDir: string;
let now: number;
let warnings: string[];
let store: LogStore;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'logs-'));
  now = Date.now() + 1_000_000;
  warnings = [];
  store = open();
});

afterEach(() => {
  store.close();
  rmSync(stateDir, { recursive: true, force: true });
});

function open(): LogStore {
  return createLogStore({ stateDir, wall: () => now, onWarning: (message) => warnings.push(message) });
}

const never = new AbortController().signal;
type Asked = Partial<InstanceLogQuery> & { names?: string[] };

function targets(names: readonly string[]): { instance: string; service: string }[] {
  return names.map((instance) => ({ instance, service: instance.replace(/\.\d+$/, '') }));
}

async function all(lines: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const found = [];
  for await (const line of lines) found.push(line);
  return found;
}

function ask({ names = ['web.1'], ...query }: Asked = {}): Promise<LogLine[]> {
  return all(store.query({ instances: targets(names), follow: false, ...query }, never));
}

async function texts(asked?: Asked): Promise<string[]> {
  return (await ask(asked)).map(({ text }) => text);
}

/** Writes at a point in time, and has it looked at then, as the daemon does while a service runs. */
async function write(
  at: number,
  text: string | Buffer,
  stream: 'stdout' | 'stderr' = 'stdout',
  name = 'web.1',
) {
  now += at;
  await ask({ names: [name], tail: 0 });
  const path = store.paths(name)[stream];
  mkdirSync(dirname(path), { recursive: true });
  appendFileSync(path, text);
  utimesSync(path, now / 1_000, now / 1_000);
  await ask({ names: [name], tail: 0 });
}

describe('a query', () => {
  it('answers what was written, with where it comes from', async () => {
    store.beginRun('web.1', 'r1');
    await write(1_000, 'one\ntwo\n');
    expect(await ask()).toEqual([
      { service: 'web', instance: 'web.1', stream: 'stdout', time: now, at: 0, text: 'one' },
      { service: 'web', instance: 'web.1', stream: 'stdout', time: now, at: 4, text: 'two' },
    ]);
  });

  it('goes on behind a line, whatever tail and since say, in that stream alone', async () => {
    store.beginRun('web.1', 'r1');
    await write(1_000, 'one\ntwo\n');
    await write(0, 'bad\nworse\n', 'stderr');
    const [one] = await ask({ stream: 'stdout' });
    const after = [{ instance: 'web.1', stream: 'stdout' as const, at: one?.at ?? -1 }];
    expect(await texts({ after, tail: 1 })).toEqual(['worse', 'two']);
    expect(await texts({ after, since: now + 1 })).toEqual(['two']);
    await write(1_000, 'three\n');
    store.close();
    store = open();
    expect(await texts({ after, stream: 'stdout' })).toEqual(['two', 'three']);
  });

  it('goes on between the pieces of a long line', async () => {
    store.beginRun('web.1', 'r1');
    await write(1_000, `${'a'.repeat(70_000)}é${'b'.repeat(70_000)}\nnext\n`);
    const lines = await ask();
    expect(lines).toHaveLength(4);
    for (const [n, { at }] of lines.entries()) {
      const after = [{ instance: 'web.1', stream: 'stdout' as const, at }];
      expect(await ask({ after })).toEqual(lines.slice(n + 1));
    }
  });

  it('begins anew behind a place that is no more', async () => {
    store.beginRun('web.1', 'r1');
    await write(1_000, 'short\n');
    const after = [{ instance: 'web.1', stream: 'stdout' as const, at: 100 }];
    expect(await texts({ after })).toEqual(['short']);
  });

  it('answers nothing for an instance that never wrote, and makes no folder for it', async () => {
    expect(await ask({ names: ['web.1', 'api.2'] })).toEqual([]);
    expect(readdirSync(stateDir)).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it('merges streams and instances by time, then instance, stream and place', async () => {
    for (const name of ['web.1', 'api.1']) store.beginRun(name, `r-${name}`);
    await write(10, 'w1\n');
    await write(10, 'a1\n', 'stderr', 'api.1');
    await write(10, 'w2\n', 'stderr');
    await write(10, 'w3\n');
    await write(0, 'a2\na3\n', 'stdout', 'api.1');
    expect(await texts({ names: ['web.1', 'api.1'] })).toEqual(['w1', 'a1', 'w2', 'a2', 'a3', 'w3']);
    expect(await texts({ names: ['web.1', 'api.1'], stream: 'stderr' })).toEqual(['a1', 'w2']);
  });

  it('keeps the place of a line that other instances have none between', async () => {
    store.beginRun('web.1', 'r1');
    const many = Array.from({ length: 40_000 }, (_, i) => `line ${i}`);
    await write(10, `${many.join('\n')}\n`);
    expect(await texts()).toEqual(many);
  });

  it('includes an unfinished last line', async () => {
    await write(10, 'a\nb');
    expect(await texts()).toEqual(['a', 'b']);
  });

  it('gives a line of 1 MB in pieces of the same time, and the line after it', async () => {
    const long = '漢x'.repeat(250_000);
    await write(10, `${long}\nnext\n`);
    const lines = await ask();
    const pieces = lines.slice(0, -1);
    expect(pieces.map(({ text }) => text).join('')).toBe(long);
    expect(pieces.map(({ partial }) => partial ?? false)).toEqual(
      pieces.map((_, i) => i < pieces.length - 1),
    );
    expect(new Set(lines.map(({ time }) => time)).size).toBe(1);
    expect(lines.at(-1)?.text).toBe('next');
  });

  it('replaces invalid UTF-8 and goes on', async () => {
    await write(10, Buffer.from([0x61, 0xff, 0x0a, 0xc3, 0x0a, 0x62, 0x0a]));
    expect(await texts()).toEqual(['a\ufffd', '\ufffd', 'b']);
  });

  it('stops when it is told to, in the middle of everything', async () => {
    await write(10, 'x\n'.repeat(200_000));
    const controller = new AbortController();
    let count = 0;
    for await (const _ of store.query({ instances: targets(['web.1']), follow: false }, controller.signal)) {
      count += 1;
      if (count === 10) controller.abort();
    }
    expect(count).toBe(10);
    expect(
      await all(store.query({ instances: targets(['web.1']), follow: true }, controller.signal)),
    ).toEqual([]);
  });

  it('answers calls that do not wait for each other in order', async () => {
    await write(10, 'a\nb\nc\n');
    const lines = store
      .query({ instances: targets(['web.1']), follow: false }, never)
      [Symbol.asyncIterator]();
    const results = await Promise.all([lines.next(), lines.next(), lines.next(), lines.next()]);
    expect(results.map(({ value }) => (value as LogLine | undefined)?.text)).toEqual([
      'a',
      'b',
      'c',
      undefined,
    ]);
  });
});

describe('the tail', () => {
  it('is the last lines of both streams together', async () => {
    await write(10, 'o1\n');
    await write(10, 'e1\n', 'stderr');
    await write(10, 'o2\no3\n');
    await write(10, 'e2\n', 'stderr');
    const whole = ['o1', 'e1', 'o2', 'o3', 'e2'];
    for (let tail = 0; tail <= 6; tail += 1)
      expect(await texts({ tail })).toEqual(tail === 0 ? [] : whole.slice(-tail));
  });

  it('counts for each instance', async () => {
    for (const name of ['a.1', 'b.1']) await write(10, '1\n2\n3\n', 'stdout', name);
    expect(await texts({ names: ['a.1', 'b.1'], tail: 2 })).toEqual(['2', '3', '2', '3']);
  });

  it.each([1, 5, 1_000, 30_000])('of %d is exact over many chunks', async (tail) => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${'x'.repeat(i % 50)}`);
    await write(10, `${lines.join('\n')}\nunfinished`);
    expect(await texts({ tail })).toEqual([...lines, 'unfinished'].slice(-tail));
  });

  it('handles empty lines, and a newline at the border of what is read at once', async () => {
    for (const size of [65_534, 65_535, 65_536, 65_537, 131_072]) {
      const name = `s${size}.1`;
      await write(10, `first\n${'y'.repeat(30)}\n${'x'.repeat(size)}\n\n\nlast\n`, 'stdout', name);
      expect(await texts({ names: [name], tail: 3 })).toEqual(['', '', 'last']);
      const four = await ask({ names: [name], tail: 4 });
      const text = four.map((line) => (line.partial === true ? line.text : `${line.text}\n`)).join('');
      expect(text).toBe(`${'x'.repeat(size)}\n\n\nlast\n`);
    }
  });

  it('looks back over a bounded part of a line without end', async () => {
    await write(10, `start\n${'é'.repeat(2_000_000)}`);
    const lines = await ask({ tail: 1 });
    const text = lines.map((line) => line.text).join('');
    expect(text).toMatch(/^é+$/);
    expect(text.length).toBeLessThanOrEqual(64 * 1024);
  });
});

describe('since', () => {
  it('leaves out what was written before', async () => {
    const start = now;
    for (let i = 1; i <= 5; i += 1) await write(1_000, `line ${i}\n`, i % 2 === 0 ? 'stderr' : 'stdout');
    expect(await texts({ since: start })).toHaveLength(5);
    expect(await texts({ since: start + 3_000 })).toEqual(['line 3', 'line 4', 'line 5']);
    expect(await texts({ since: start + 3_001 })).toEqual(['line 4', 'line 5']);
    expect(await texts({ since: start + 9_000 })).toEqual([]);
    expect(await texts({ since: start + 2_000, tail: 2 })).toEqual(['line 4', 'line 5']);
    expect(await texts({ since: start + 5_000, tail: 3 })).toEqual(['line 5']);
  });

  it('begins with a whole line even if the time lies within one', async () => {
    const start = now;
    await write(1_000, 'begun ');
    await write(1_000, 'and finished\nnext\n');
    expect(await texts({ since: start + 1_500 })).toEqual(['next']);
  });
});

describe('runs', () => {
  it('can be asked for: the one before the present one', async () => {
    expect(await texts({ previous: true })).toEqual([]);
    store.beginRun('web.1', 'r1');
    await write(10, 'first run\n');
    await write(10, 'its error\n', 'stderr');
    expect(await texts({ previous: true })).toEqual([]);
    store.endRun('web.1', 'r1');
    store.beginRun('web.1', 'r2');
    await write(10, 'second run\n');
    expect(await texts({ previous: true })).toEqual(['first run', 'its error']);
    expect(await texts({ previous: true, tail: 1 })).toEqual(['its error']);
    // Nothing will be added to it: following ends at once.
    expect(await texts({ previous: true, follow: true })).toEqual(['first run', 'its error']);
    expect(await texts()).toEqual(['first run', 'its error', 'second run']);
  });

  it('end their lines, finished or not', async () => {
    store.beginRun('web.1', 'r1');
    await write(10, 'a\npanic');
    store.endRun('web.1', 'r1');
    store.beginRun('web.1', 'r2');
    await write(10, 'b\n');
    expect(await texts()).toEqual(['a', 'panic', 'b']);
    expect(await texts({ tail: 2 })).toEqual(['panic', 'b']);
    expect(await texts({ tail: 1 })).toEqual(['b']);
    expect(await texts({ previous: true, tail: 1 })).toEqual(['panic']);
  });

  it('are known to the next daemon, which goes on with the same run', async () => {
    store.beginRun('web.1', 'r1');
    await write(10, 'one\n');
    store.endRun('web.1', 'r1');
    store.beginRun('web.1', 'r2');
    await write(10, 'two\n', 'stderr');
    store.close();
    appendFileSync(store.paths('web.1').stderr, 'while nobody looked\n');
    store = open();
    store.beginRun('web.1', 'r2');
    expect(await texts({ previous: true })).toEqual(['one']);
    expect(await store.errorTail('web.1', 'r2', 10, 10_000)).toEqual(['two', 'while nobody looked']);
  });

  it('make their folder for the owner alone', () => {
    const before = process.umask(0);
    try {
      store.beginRun('web.1', 'r1');
    } finally {
      process.umask(before);
    }
    const { stdout } = store.paths('web.1');
    expect(statSync(dirname(stdout)).mode & 0o777).toBe(0o700);
  });

  it('go on without a log folder, with a warning', async () => {
    writeFileSync(join(stateDir, 'instances'), '');
    store.beginRun('web.1', 'r1');
    store.endRun('web.1', 'r1');
    expect(await texts()).toEqual([]);
    expect(warnings.join('\n')).toContain('cannot make the folder');
  });
});

describe('the end of stderr', () => {
  it('is of the run asked for alone', async () => {
    store.beginRun('web.1', 'r1');
    await write(10, 'old\n', 'stderr');
    store.endRun('web.1', 'r1');
    store.beginRun('web.1', 'r2');
    await write(10, 'not this\n');
    await write(10, 'e1\ne2\r\ne3', 'stderr');
    store.endRun('web.1', 'r2');
    expect(await store.errorTail('web.1', 'r2', 10, 10_000)).toEqual(['e1', 'e2', 'e3']);
    expect(await store.errorTail('web.1', 'r2', 2, 10_000)).toEqual(['e2', 'e3']);
    expect(await store.errorTail('web.1', 'r1', 10, 10_000)).toEqual(['old']);
    expect(await store.errorTail('web.1', 'never', 10, 10_000)).toEqual([]);
    expect(await store.errorTail('web.1', 'r2', 0, 10_000)).toEqual([]);
    expect(await store.errorTail('web.1', 'r2', 10, 0)).toEqual([]);
  });

  it('is bounded in bytes and cut between characters', async () => {
    store.beginRun('web.1', 'r1');
    await write(10, `${'é'.repeat(500_000)}\nlast`, 'stderr');
    const [cut = '', ...rest] = await store.errorTail('web.1', 'r1', 10, 1_000);
    expect(cut).toMatch(/^é+$/);
    expect(cut.length).toBeGreaterThan(490);
    expect(rest).toEqual(['last']);
  });

  it('has invalid bytes replaced', async () => {
    store.beginRun('web.1', 'r1');
    await write(10, Buffer.from([0xff, 0xfe, 0x0a, 0x80]), 'stderr');
    expect(await store.errorTail('web.1', 'r1', 10, 1_000)).toEqual(['\ufffd\ufffd', '\ufffd']);
  });
});

describe('a file that lost its content', () => {
  it('is read from its beginning, with the times of what is in it now', async () => {
    store.beginRun('web.1', 'r1');
    await write(10, 'long gone\nlong gone\n');
    now += 1_000;
    truncateSync(store.paths('web.1').stdout, 0);
    await write(1_000, 'new\n');
    expect(await texts()).toEqual(['new']);
    expect(await texts({ tail: 5, since: now - 500 })).toEqual(['new']);
  });

  it('and one that is gone, are no error', async () => {
    store.beginRun('web.1', 'r1');
    await write(10, 'x\n');
    rmSync(stateDir, { recursive: true });
    expect(await texts()).toEqual([]);
  });
});

describe('without a daemon', () => {
  it('the same is answered, and nothing is changed', async () => {
    store.beginRun('web.1', 'r1');
    await write(1_000, 'one\n');
    store.endRun('web.1', 'r1');
    store.beginRun('web.1', 'r2');
    await write(1_000, 'two\n', 'stderr');
    const expected = await ask();
    store.close();
    appendFileSync(store.paths('web.1').stdout, 'three\n');
    mkdirSync(join(stateDir, 'instances', 'api-x.12'));
    writeFileSync(join(stateDir, 'instances', 'stray'), '');
    const listing = (): string[] => readdirSync(join(stateDir, 'instances', 'web.1')).sort();
    const before = listing().map((file) => [file, statSync(join(stateDir, 'instances/web.1', file)).mtimeMs]);
    const instances = loggedInstances(stateDir);
    expect(instances).toEqual([
      { instance: 'api-x.12', service: 'api-x' },
      { instance: 'web.1', service: 'web' },
    ]);
    const offline = (query: Partial<InstanceLogQuery>): Promise<LogLine[]> =>
      all(queryOffline(stateDir, { instances, ...query }, never, (message) => warnings.push(message)));
    const found = await offline({});
    expect(found.slice(0, 2)).toEqual(expected);
    expect(found[2]?.text).toBe('three');
    expect((await offline({ previous: true })).map(({ text }) => text)).toEqual(['one']);
    expect((await offline({ tail: 1 })).map(({ text }) => text)).toEqual(['three']);
    expect(
      listing().map((file) => [file, statSync(join(stateDir, 'instances/web.1', file)).mtimeMs]),
    ).toEqual(before);
    expect(warnings).toEqual([]);
  });

  it('nothing is there of a project that never ran', () => {
    expect(loggedInstances(join(stateDir, 'none'))).toEqual([]);
  });
});
