import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLogStore } from '../../src/logs/log-store.ts';
import { shownNames } from '../../src/logs/offline.ts';
import type { LogStore } from '../../src/ports/logs.ts';
import { lacks } from '../rig/needs.ts';
import { eventually } from '../rig/wait.ts';

const WRITER = join(import.meta.dirname, '../rig/log-writer.mjs');

let stateDir: string;
let warnings: string[];
let store: LogStore;
let stop: AbortController;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'runs-'));
  warnings = [];
  stop = new AbortController();
  store = open();
});

afterEach(() => {
  stop.abort();
  store.close();
  rmSync(stateDir, { recursive: true, force: true });
});

function open(): LogStore {
  return createLogStore({ stateDir, onWarning: (message) => warnings.push(message) });
}

function out(): string {
  return store.paths('web.1').stdout;
}

function err(): string {
  return store.paths('web.1').stderr;
}

function linesOf(run: string, stream?: 'stdout' | 'stderr'): AsyncIterator<string> {
  return store.runLines('web.1', run, stream, stop.signal)[Symbol.asyncIterator]();
}

async function all(run: string, stream?: 'stdout' | 'stderr'): Promise<string[]> {
  const found = [];
  for await (const line of store.runLines('web.1', run, stream, stop.signal)) found.push(line);
  return found;
}

async function take(lines: AsyncIterator<string>, count: number): Promise<string[]> {
  const found = [];
  while (found.length < count) {
    const result = (await lines.next()) as IteratorResult<string, undefined>;
    if (result.done === true) throw new Error(`ended after ${found.length} of ${count} lines`);
    found.push(result.value);
  }
  return found;
}

describe('the lines of a run', () => {
  it('are those from its beginning on, of both streams or one, until it ends', async () => {
    store.beginRun('web.1', 'r1');
    appendFileSync(out(), 'before\n');
    store.endRun('web.1', 'r1');
    store.beginRun('web.1', 'r2');
    appendFileSync(out(), 'early\n');
    const both = linesOf('r2');
    const errors = linesOf('r2', 'stderr');
    expect(await take(both, 1)).toEqual(['early']);
    const [next, error] = [take(both, 2), take(errors, 1)];
    appendFileSync(err(), 'oops\n');
    expect(await error).toEqual(['oops']);
    appendFileSync(out(), 'late\n');
    expect((await next).sort()).toEqual(['late', 'oops']);
    appendFileSync(out(), 'last words');
    const rest = take(both, 1);
    store.endRun('web.1', 'r2');
    expect(await rest).toEqual(['last words']);
    expect((await both.next()).done).toBe(true);
    expect((await errors.next()).done).toBe(true);
    store.beginRun('web.1', 'r3');
    appendFileSync(out(), 'after\n');
    expect(await all('r1')).toEqual(['before']);
    expect((await all('r2')).sort()).toEqual(['early', 'last words', 'late', 'oops']);
  });

  it('are waited for where the run is yet to begin', async () => {
    const lines = linesOf('r1', 'stdout');
    const first = lines.next();
    store.beginRun('web.1', 'r1');
    appendFileSync(out(), 'hello\n');
    expect((await first).value).toBe('hello');
  });

  it('are those of a run taken over from an earlier daemon, too', async () => {
    store.beginRun('web.1', 'r1');
    appendFileSync(out(), 'ready\n');
    store.close();
    appendFileSync(out(), 'while nobody looked\n');
    store = open();
    store.beginRun('web.1', 'r1');
    const lines = linesOf('r1');
    expect(await take(lines, 2)).toEqual(['ready', 'while nobody looked']);
    const next = lines.next();
    appendFileSync(out(), 'go on\n');
    expect((await next).value).toBe('go on');
  });

  it('come in pieces where they are long, and no character is cut', async () => {
    store.beginRun('web.1', 'r1');
    appendFileSync(out(), `${'漢'.repeat(100_000)}\nnext\n`);
    store.endRun('web.1', 'r1');
    const lines = await all('r1');
    expect(lines.length).toBeGreaterThan(4);
    expect(lines.slice(0, -1).join('')).toBe('漢'.repeat(100_000));
    expect(lines.at(-1)).toBe('next');
  });

  it('are all there however fast they come and however slowly they are taken', async () => {
    store.beginRun('web.1', 'r1');
    const count = 150_000;
    const writer = spawn(process.execPath, [WRITER, out(), String(count), '50'], { stdio: 'inherit' });
    const exited = once(writer, 'exit');
    const lines = linesOf('r1', 'stdout');
    expect(await take(lines, 1)).toEqual(['000000000 ']);
    // Over 8 MiB behind by now: any other follower would be moved on.
    await exited;
    const rest = await take(lines, count - 1);
    expect(rest.map((line) => Number(line.slice(0, 9)))).toEqual(
      Array.from({ length: count - 1 }, (_, i) => i + 1),
    );
  });

  it('let the rest of the program get on with a flood', async () => {
    store.beginRun('web.1', 'r1');
    appendFileSync(out(), 'x\n'.repeat(1_000_000));
    let turns = 0;
    let running = true;
    const turn = (): void => {
      turns += 1;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    await take(linesOf('r1', 'stdout'), 1_000_000);
    running = false;
    expect(turns).toBeGreaterThan(50);
  });

  it('end with the signal, with the store, and when nobody wants them', async () => {
    store.beginRun('web.1', 'r1');
    const waiting = linesOf('r1').next();
    stop.abort();
    expect((await waiting).done).toBe(true);
    stop = new AbortController();
    appendFileSync(out(), 'one\ntwo\n');
    for await (const line of store.runLines('web.1', 'r1', undefined, stop.signal)) {
      expect(line).toBe('one');
      break;
    }
    const lines = linesOf('r1');
    await take(lines, 2);
    const next = lines.next();
    store.close();
    expect((await next).done).toBe(true);
    expect((await linesOf('r1').next()).done).toBe(true);
  });

  it('begin with what is left where retention took their beginning', async () => {
    if (lacks('fallocate') !== undefined) return;
    store.beginRun('web.1', 'r1');
    appendFileSync(out(), Array.from({ length: 5_000 }, (_, i) => `line ${i}\n`).join(''));
    store.retain('web.1', { maxSize: 10_000, keep: 0 });
    store.endRun('web.1', 'r1');
    const lines = await eventually('the file is small', async () => {
      const found = await all('r1');
      return found.length < 1_200 && found;
    });
    expect(lines.at(-1)).toBe('line 4999');
    expect(lines).toEqual(Array.from({ length: lines.length }, (_, i) => `line ${5_000 - lines.length + i}`));
    await eventually('trimming is over', async () => (await all('r1')).length === lines.length);
  });
});

describe('raw output', () => {
  function output(backlog: number): AsyncIterator<Uint8Array> {
    return store.output('web.1', backlog, stop.signal)[Symbol.asyncIterator]();
  }

  async function text(bytes: AsyncIterator<Uint8Array>, length: number): Promise<string> {
    const found: Uint8Array[] = [];
    for (let size = 0; size < length;) {
      const result = (await bytes.next()) as IteratorResult<Uint8Array, undefined>;
      if (result.done === true) throw new Error(`ended after ${size} of ${length} bytes`);
      found.push(result.value);
      size += result.value.length;
    }
    return Buffer.concat(found).toString('latin1');
  }

  it('begins so many bytes before the end and goes on, byte for byte, over runs', async () => {
    store.beginRun('web.1', 'r1');
    writeFileSync(out(), 'abcdef');
    const bytes = output(4);
    expect(await text(bytes, 4)).toBe('cdef');
    const next = text(bytes, 6);
    appendFileSync(out(), Buffer.from('\u001b[2J\xff\r', 'latin1'));
    expect(await next).toBe('\u001b[2J\xff\r');
    store.endRun('web.1', 'r1');
    store.beginRun('web.1', 'r2');
    appendFileSync(out(), 'again');
    expect(await text(bytes, 5)).toBe('again');
    expect(await text(output(1_000), 17)).toBe('abcdef\u001b[2J\xff\ragain');
  });

  it('begins with what comes next without a backlog, even before anything ran', async () => {
    const bytes = output(0);
    const first = bytes.next();
    store.beginRun('web.1', 'r1');
    appendFileSync(out(), '> ');
    expect(Buffer.from((await first).value as Uint8Array).toString()).toBe('> ');
  });

  it('is moved on when it is too slow', async () => {
    store.beginRun('web.1', 'r1');
    writeFileSync(out(), 'a');
    const bytes = output(1);
    expect(await text(bytes, 1)).toBe('a');
    appendFileSync(out(), Buffer.alloc(20 * 1024 * 1024, 'b'));
    appendFileSync(out(), 'end');
    const rest = await text(bytes, 1024 * 1024);
    expect(rest.length).toBe(1024 * 1024);
    expect(rest.endsWith('bend')).toBe(true);
  });

  it('goes on at the beginning of a file that was emptied', async () => {
    store.beginRun('web.1', 'r1');
    writeFileSync(out(), 'old content');
    const bytes = output(100);
    expect(await text(bytes, 11)).toBe('old content');
    const next = text(bytes, 3);
    truncateSync(out(), 0);
    appendFileSync(out(), 'new');
    expect(await next).toBe('new');
  });

  it('ends with the signal and with the store', async () => {
    store.beginRun('web.1', 'r1');
    const waiting = output(0).next();
    stop.abort();
    expect((await waiting).done).toBe(true);
    stop = new AbortController();
    const next = output(0).next();
    store.close();
    expect((await next).done).toBe(true);
  });
});

describe('a service whose streams go to one file', () => {
  it('is read without its second one, whether that is missing or empty', async () => {
    store.beginRun('web.1', 'r1');
    appendFileSync(out(), 'one\ntwo\n');
    store.retain('web.1', { maxSize: 1_000_000, keep: 1 });
    const query = { instances: [{ instance: 'web.1', service: 'web' }], follow: false };
    for (const make of [() => undefined, () => writeFileSync(err(), '')]) {
      make();
      const found = [];
      for await (const { text } of store.query({ ...query, tail: 1 }, stop.signal)) found.push(text);
      expect(found).toEqual(['two']);
      expect(await store.errorTail('web.1', 'r1', 10, 1_000)).toEqual([]);
    }
    store.endRun('web.1', 'r1');
    expect(await all('r1')).toEqual(['one', 'two']);
    expect(warnings).toEqual([]);
  });
});

it('instances go by the name of their service where it has no other', () => {
  const targets = ['web.1', 'api.1', 'api.2', 'db.3'].map((instance) => ({
    instance,
    service: instance.replace(/\.\d+$/, ''),
  }));
  expect([...shownNames(targets)]).toEqual([
    ['web.1', 'web'],
    ['api.1', 'api.1'],
    ['api.2', 'api.2'],
    ['db.3', 'db'],
  ]);
});
