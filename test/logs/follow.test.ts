import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { FSWatcher } from 'node:fs';
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  watch,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LogLine } from '../../src/core/api.ts';
import type { LogStoreOptions } from '../../src/logs/log-store.ts';
import { createLogStore } from '../../src/logs/log-store.ts';
import type { InstanceLogQuery, LogStore } from '../../src/ports/logs.ts';

let stateDir: string;
let warnings: string[];
let store: LogStore;
let stop: AbortController;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'follow-'));
  warnings = [];
  stop = new AbortController();
  store = open();
});

afterEach(() => {
  stop.abort();
  store.close();
  rmSync(stateDir, { recursive: true, force: true });
});

function open(options: Partial<LogStoreOptions> = {}): LogStore {
  return createLogStore({ stateDir, onWarning: (message) => warnings.push(message), ...options });
}

function follow(names: readonly string[], query: Partial<InstanceLogQuery> = {}): AsyncIterator<LogLine> {
  const instances = names.map((instance) => ({ instance, service: instance.replace(/\.\d+$/, '') }));
  return store.query({ instances, follow: true, ...query }, stop.signal)[Symbol.asyncIterator]();
}

async function take(lines: AsyncIterator<LogLine>, count: number): Promise<LogLine[]> {
  const found = [];
  while (found.length < count) {
    const result = (await lines.next()) as IteratorResult<LogLine, undefined>;
    if (result.done === true) throw new Error(`ended after ${found.length} of ${count} lines`);
    found.push(result.value);
  }
  return found;
}

async function texts(lines: AsyncIterator<LogLine>, count: number): Promise<string[]> {
  return (await take(lines, count)).map(({ text }) => text);
}

/** What the lines were in the file. */
function joined(lines: readonly LogLine[]): string {
  return lines.map(({ text, partial }) => (partial === true ? text : `${text}\n`)).join('');
}

function out(name = 'web.1'): string {
  return store.paths(name).stdout;
}

describe('following', () => {
  it('goes on where the tail ended, with nothing missing and nothing twice', async () => {
    store.beginRun('web.1', 'r1');
    appendFileSync(out(), 'a\nb\nc\nunfin');
    const lines = follow(['web.1'], { tail: 2 });
    expect(await texts(lines, 2)).toEqual(['b', 'c']);
    appendFileSync(out(), 'ished\nd\n');
    expect(await texts(lines, 2)).toEqual(['unfinished', 'd']);
  });

  it('begins with what comes next when no tail is wanted', async () => {
    store.beginRun('web.1', 'r1');
    appendFileSync(out(), 'old\nhalf ');
    const lines = follow(['web.1'], { tail: 0 });
    const first = lines.next();
    appendFileSync(out(), 'line\nnew\n');
    expect((await first).value).toMatchObject({ text: 'half line' });
    expect(await texts(lines, 1)).toEqual(['new']);
  });

  it('works before the instance was ever started', async () => {
    const lines = follow(['web.1']);
    const first = lines.next();
    store.beginRun('web.1', 'r1');
    appendFileSync(out(), 'hello\n');
    expect((await first).value).toMatchObject({ text: 'hello', stream: 'stdout' });
  });

  it('hands on the unfinished last line of a run that ends', async () => {
    store.beginRun('web.1', 'r1');
    const lines = follow(['web.1']);
    const first = lines.next();
    appendFileSync(store.paths('web.1').stderr, 'Segmentation fault');
    store.endRun('web.1', 'r1');
    expect((await first).value).toMatchObject({ text: 'Segmentation fault', stream: 'stderr' });
    store.beginRun('web.1', 'r2');
    appendFileSync(store.paths('web.1').stderr, 'once more\n');
    expect(await texts(lines, 1)).toEqual(['once more']);
  });

  it('does not hold back what is longer than a piece', async () => {
    store.beginRun('web.1', 'r1');
    const lines = follow(['web.1']);
    const first = lines.next();
    appendFileSync(out(), 'x'.repeat(150_000));
    expect((await first).value).toMatchObject({ partial: true });
    expect(await take(lines, 1)).toMatchObject([{ partial: true }]);
    appendFileSync(out(), 'y\n');
    const [last] = await take(lines, 1);
    expect(last?.text).toMatch(/^x+y$/);
    expect(last?.partial).toBeUndefined();
  });

  it('gives each byte once, in order, however it was written', async () => {
    store.beginRun('web.1', 'r0');
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom('\n', '\r\n', '\n\n', '漢字', '👩‍🚀', '\r', '\u001b[31m'),
      fc.integer({ min: 60_000, max: 140_000 }).map((length) => 'long'.repeat(length / 4)),
    );
    let round = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(piece, fc.nat(3), fc.integer({ min: 1, max: 7 })), { minLength: 1, maxLength: 30 }),
        async (writes) => {
          round += 1;
          const name = `p.${round}`;
          store.beginRun(name, `r${round}`);
          const lines = follow([name]);
          const reading = (async () => {
            const found: LogLine[] = [];
            for (;;) {
              const result = (await lines.next()) as IteratorResult<LogLine, undefined>;
              if (result.done === true || result.value.text === 'END') return found;
              found.push(result.value);
            }
          })();
          const fd = openSync(out(name), 'a');
          for (const [text, pauses, parts] of writes) {
            const bytes = Buffer.from(text);
            const size = Math.max(1, Math.ceil(bytes.length / parts));
            for (let at = 0; at < bytes.length; at += size) writeSync(fd, bytes.subarray(at, at + size));
            for (let i = 0; i < pauses; i += 1) await new Promise((resolve) => setImmediate(resolve));
          }
          writeSync(fd, '\nEND\n');
          closeSync(fd);
          const found = await reading;
          await lines.return?.();
          const written = readFileSync(out(name), 'utf8')
            .replaceAll('\r\n', '\n')
            .replace(/END\n$/, '');
          expect(joined(found)).toBe(written);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('keeps up with a process that writes as fast as it can, over the flood and after it', async () => {
    store.beginRun('web.1', 'r1');
    const lines = follow(['web.1']);
    const script = `
      const fs = require('node:fs');
      const fd = fs.openSync(process.argv[1], 'a');
      for (let i = 0; i < 60000; i += 1) fs.writeSync(fd, 'line ' + i + '\\n');
    `;
    const writer = spawn(process.execPath, ['-e', script, out()], { stdio: 'ignore' });
    const exited = once(writer, 'exit');
    const found = await texts(lines, 60_000);
    await exited;
    expect(found).toEqual(Array.from({ length: 60_000 }, (_, i) => `line ${i}`));
    appendFileSync(out(), 'calm again\n');
    expect(await texts(lines, 1)).toEqual(['calm again']);
  });

  it('merges a hundred instances without a descriptor for each', async () => {
    const names = Array.from({ length: 100 }, (_, i) => `s.${i + 1}`);
    for (const name of names) store.beginRun(name, `r-${name}`);
    const lines = follow(names);
    const first = lines.next();
    for (const name of names) appendFileSync(out(name), `${name}\n`);
    const found = [(await first).value as LogLine, ...(await take(lines, 99))];
    expect(found.map(({ text }) => text).sort()).toEqual([...names].sort());
    if (process.platform !== 'linux') return;
    expect(readdirSync('/proc/self/fd').length).toBeLessThan(90);
  });
});

describe('a file that is not what it was', () => {
  it('is read from its beginning after it was emptied', async () => {
    store.beginRun('web.1', 'r1');
    const lines = follow(['web.1']);
    appendFileSync(out(), 'one\ntwo\n');
    expect(await texts(lines, 2)).toEqual(['one', 'two']);
    const next = lines.next();
    truncateSync(out(), 0);
    appendFileSync(out(), 'new\n');
    expect((await next).value).toMatchObject({ text: 'new' });
  });

  it('is read from its beginning when another one has its name, even a longer one', async () => {
    store.beginRun('web.1', 'r1');
    const lines = follow(['web.1']);
    appendFileSync(out(), 'one\n');
    expect(await texts(lines, 1)).toEqual(['one']);
    const next = lines.next();
    writeFileSync(`${out()}.new`, 'first of the new one\nsecond\n');
    renameSync(`${out()}.new`, out());
    expect((await next).value).toMatchObject({ text: 'first of the new one' });
    expect(await texts(lines, 1)).toEqual(['second']);
  });

  it('may be away for a while', async () => {
    store.beginRun('web.1', 'r1');
    const lines = follow(['web.1']);
    appendFileSync(out(), 'one\n');
    expect(await texts(lines, 1)).toEqual(['one']);
    const next = lines.next();
    rmSync(out());
    // Told apart only if it was seen to be away.
    await new Promise((resolve) => setImmediate(resolve));
    appendFileSync(out(), 'back\n');
    expect((await next).value).toMatchObject({ text: 'back' });
  });
});

describe('a follower that is too slow', () => {
  it('is moved on to the beginning of a line and told how much it missed', async () => {
    store.beginRun('web.1', 'r1');
    const lines = follow(['web.1']);
    appendFileSync(out(), 'first\n');
    expect(await texts(lines, 1)).toEqual(['first']);
    const width = 100;
    const count = 120_000;
    const content = Array.from({ length: count }, (_, i) => `${String(i).padStart(width - 1, '0')}\n`).join(
      '',
    );
    appendFileSync(out(), content);
    const [line] = await take(lines, 1);
    const index = Number(line?.text);
    expect(line?.skipped).toBe(index * width);
    expect(line?.text).toHaveLength(width - 1);
    expect(count - index).toBeLessThan(20_000);
    const rest = await take(lines, count - index - 1);
    expect(Number(rest.at(-1)?.text)).toBe(count - 1);
    expect(rest.every(({ skipped }) => skipped === undefined)).toBe(true);
  });

  it('misses nothing of what was there when it began, however much that is', async () => {
    store.beginRun('web.1', 'r1');
    const count = 120_000;
    appendFileSync(out(), `${'x'.repeat(99)}\n`.repeat(count));
    const found = await take(follow(['web.1']), count);
    expect(found.some(({ skipped }) => skipped !== undefined)).toBe(false);
  });
});

describe('the end of following', () => {
  it('comes with the signal', async () => {
    store.beginRun('web.1', 'r1');
    const lines = follow(['web.1']);
    const next = lines.next();
    stop.abort();
    expect(await next).toEqual({ value: undefined, done: true });
  });

  it('comes with the end of the store, also for those who come later', async () => {
    store.beginRun('web.1', 'r1');
    const lines = follow(['web.1']);
    appendFileSync(out(), 'x\n');
    await take(lines, 1);
    const next = lines.next();
    store.close();
    expect((await next).done).toBe(true);
    expect((await follow(['web.1']).next()).done).toBe(true);
  });

  it('comes when the consumer breaks off, and then nothing is watched any more', async () => {
    const watching = new Set<string>();
    store.close();
    store = open({ watchDir: counted(watching) });
    const lines = store.query(
      { instances: [{ instance: 'web.1', service: 'web' }], follow: true },
      stop.signal,
    );
    const written = (async () => {
      for await (const line of lines) return line.text;
      return undefined;
    })();
    await turns();
    expect(watching.size).toBe(1);
    appendFileSync(out(), 'enough\n');
    expect(await written).toBe('enough');
    expect(watching.size).toBe(0);
  });
});

function counted(watching: Set<string>): NonNullable<LogStoreOptions['watchDir']> {
  return (dir, onChange) => {
    const watcher: FSWatcher = watch(dir, { persistent: false }, (_event, file) => onChange(file));
    watching.add(dir);
    watcher.on('close', () => watching.delete(dir));
    const close = watcher.close.bind(watcher);
    watcher.close = () => {
      watching.delete(dir);
      close();
    };
    return watcher;
  };
}

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Resolves once `holds` does; the test's own timeout is the limit. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('watching', () => {
  it('stops during a flood and comes back after it', async () => {
    const watching = new Set<string>();
    store.close();
    store = open({ watchDir: counted(watching) });
    store.beginRun('web.1', 'r1');
    expect(watching.size).toBe(1);
    while (watching.size > 0) {
      appendFileSync(out(), 'flood\n');
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => watching.size === 1);
    store.endRun('web.1', 'r1');
    expect(watching.size).toBe(0);
  });

  it('samples a live instance into the index, at a bounded rate', async () => {
    store.beginRun('web.1', 'r1');
    const index = join(stateDir, 'instances/web.1/log.index');
    const before = statSync(index).size;
    appendFileSync(out(), 'x\n');
    await until(() => statSync(index).size > before);
    for (let i = 0; i < 3_000; i += 1) {
      appendFileSync(out(), 'flood\n');
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    store.endRun('web.1', 'r1');
    expect(readFileSync(index, 'utf8').split('\n').length).toBeLessThan(700);
    expect(readFileSync(index, 'utf8')).toMatch(/e \d+ 18002 0 r1\n$/);
  });

  it('is replaced by looking now and then where the system refuses it, and it says so once', async () => {
    store.close();
    store = open({
      watchDir: () => {
        throw Object.assign(new Error('ENOSPC: System limit for number of file watchers reached'), {
          code: 'ENOSPC',
        });
      },
    });
    for (const name of ['web.1', 'api.1']) store.beginRun(name, `r-${name}`);
    const lines = follow(['web.1', 'api.1']);
    const first = lines.next();
    appendFileSync(out('api.1'), 'seen all the same\n');
    expect((await first).value).toMatchObject({ instance: 'api.1', text: 'seen all the same' });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('System limit for number of file watchers reached');
  });

  it('that fails later is replaced, too', async () => {
    const watchers: FSWatcher[] = [];
    store.close();
    store = open({
      watchDir: (dir, onChange) => {
        const watcher = watch(dir, { persistent: false }, (_event, file) => onChange(file));
        watchers.push(watcher);
        return watcher;
      },
    });
    store.beginRun('web.1', 'r1');
    const lines = follow(['web.1']);
    const first = lines.next();
    await turns();
    watchers[0]?.emit('error', new Error('watch broke'));
    appendFileSync(out(), 'still seen\n');
    expect((await first).value).toMatchObject({ text: 'still seen' });
    expect(warnings[0]).toContain('watch broke');
  });
});
