import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LogLine } from '../../src/core/api.ts';
import type { LogStoreOptions } from '../../src/logs/log-store.ts';
import { createLogStore } from '../../src/logs/log-store.ts';
import { queryOffline } from '../../src/logs/offline.ts';
import type { InstanceLogQuery, LogStore } from '../../src/ports/logs.ts';
import { lacks, lacksRoot } from '../rig/needs.ts';
import { eventually } from '../rig/wait.ts';

const WRITER = join(import.meta.dirname, '../rig/log-writer.mjs');
const KIB = 1024;
const MIB = 1024 * KIB;

let stateDir: string;
let warnings: string[];
let store: LogStore;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'retention-'));
  warnings = [];
  store = open();
});

afterEach(async () => {
  store.close();
  await settled();
  rmSync(stateDir, { recursive: true, force: true });
});

function open(options: Partial<LogStoreOptions> = {}): LogStore {
  // What a store of an earlier test still has to say is no affair of a later one.
  const told = warnings;
  return createLogStore({ stateDir, onWarning: (message) => told.push(message), ...options });
}

const never = new AbortController().signal;
const instances = [{ instance: 'web.1', service: 'web' }];

function out(): string {
  return store.paths('web.1').stdout;
}

function dir(): string {
  return join(stateDir, 'instances/web.1');
}

/** Until no command that the store has started has anything open any more: it ends within one look at a file. */
async function settled(): Promise<void> {
  if (!existsSync(dir())) return;
  await eventually('no probe file is left', () => !existsSync(join(dir(), 'punch.probe')));
}

async function lines(query: Partial<InstanceLogQuery> = {}): Promise<LogLine[]> {
  const found = [];
  for await (const line of store.query({ instances, follow: false, ...query }, never)) found.push(line);
  return found;
}

async function texts(query?: Partial<InstanceLogQuery>): Promise<string[]> {
  return (await lines(query)).map(({ text }) => text);
}

/** The bytes a file takes up on its disk. */
function used(path: string): number {
  return statSync(path).blocks * 512;
}

/** Archives from the oldest to the newest. */
function archives(path = out()): string[] {
  return readdirSync(dir())
    .map((file) => /^stdout\.log\.([0-9]+)$/.exec(file)?.[1])
    .filter((number) => number !== undefined)
    .sort((a, b) => Number(b) - Number(a))
    .map((number) => `${path}.${number}`);
}

function numbersIn(text: string): number[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => Number(line.slice(0, 9)));
}

function archived(): string {
  return archives()
    .map((path) => readFileSync(path, 'utf8'))
    .join('');
}

async function heldText(): Promise<string> {
  return (await texts()).map((text) => `${text}\n`).join('');
}

/** What is in the file behind its hole. */
function behindHole(): string {
  return readFileSync(out(), 'utf8').replace(/^\0+/, '');
}

function numbered(from: number, to: number): string {
  let text = '';
  for (let i = from; i < to; i += 1) text += `${String(i).padStart(9, '0')} ${'x'.repeat(i % 90)}\n`;
  return text;
}

function upTo(count: number, from = 0): number[] {
  return Array.from({ length: count - from }, (_, i) => from + i);
}

/** Enough of a text to tell it from others, and little enough to be printed. */
function brief(text: string): unknown {
  const hash = createHash('sha1').update(text).digest('hex');
  return { length: text.length, first: text.slice(0, 30), last: text.slice(-120), hash };
}

async function write(count: number, batch = 1): Promise<void> {
  const args = [WRITER, out(), String(count), String(batch)];
  const [code] = (await once(spawn(process.execPath, args, { stdio: 'inherit' }), 'exit')) as [number];
  expect(code).toBe(0);
}

function isTrimmed(maxSize: number): Promise<unknown> {
  return eventually('the file is small again', async () => {
    const held = (await lines({ stream: 'stdout' })).reduce((sum, { text }) => sum + text.length + 1, 0);
    return held <= maxSize && used(out()) <= maxSize + 8 * KIB;
  });
}

const holes = lacks('fallocate');

describe.skipIf(holes !== undefined)(`trimming while the service writes${holes ?? ''}`, () => {
  it('loses no line and doubles none, whatever the speed, with archives enough', async () => {
    store.beginRun('web.1', 'r1');
    store.retain('web.1', { maxSize: MIB, keep: 1_000 });
    const count = 400_000;
    await write(count, 4);
    store.endRun('web.1', 'r1');
    await isTrimmed(MIB);
    expect(archives().length).toBeGreaterThan(10);
    expect(numbersIn(archived() + behindHole())).toEqual(upTo(count));
    expect(brief(archived() + (await heldText()))).toEqual(brief(numbered(0, count)));
    for (const path of archives()) expect(statSync(path).size).toBeLessThanOrEqual(MIB);
    expect(warnings).toEqual([]);
  });

  it('keeps the end without a gap, and nothing else, where no archives are wanted', async () => {
    store.beginRun('web.1', 'r1');
    store.retain('web.1', { maxSize: 200 * KIB, keep: 0 });
    const count = 300_000;
    await write(count);
    await isTrimmed(200 * KIB);
    const held = numbersIn(await heldText());
    expect(held).toEqual(upTo(count, held[0]));
    expect(held.length).toBeGreaterThan(1_000);
    expect(brief(behindHole())).toEqual(brief(await heldText()));
    expect(archives()).toEqual([]);
    expect(statSync(out()).size).toBeGreaterThan(10 * MIB);
    expect(warnings).toEqual([]);
  });

  it('keeps as many archives as it is told, the newest ones', async () => {
    store.beginRun('web.1', 'r1');
    store.retain('web.1', { maxSize: 100 * KIB, keep: 3 });
    for (let i = 0; i < 40; i += 1) {
      appendFileSync(out(), numbered(i * 1_000, (i + 1) * 1_000));
      store.retain('web.1', { maxSize: 100 * KIB, keep: 3 });
      await isTrimmed(100 * KIB);
    }
    expect(archives().length).toBe(3);
    const kept = numbersIn(archived() + (await heldText()));
    expect(kept).toEqual(upTo(40_000, kept[0]));
    expect(kept.length).toBeGreaterThan(3_000);
    store.retain('web.1', { maxSize: 100 * KIB, keep: 1 });
    appendFileSync(out(), numbered(40_000, 43_000));
    await eventually('two archives go', () => archives().length === 1);
  });

  it('leaves times, tails and the end of stderr right', async () => {
    let now = 1_000_000;
    store.close();
    store = open({ wall: () => now });
    store.beginRun('web.1', 'r1');
    store.retain('web.1', { maxSize: 10 * KIB, keep: 0 });
    for (let i = 0; i < 30; i += 1) {
      now += 1_000;
      appendFileSync(out(), numbered(i * 20, (i + 1) * 20));
      appendFileSync(store.paths('web.1').stderr, `${'e'.repeat(990)} ${i}\n`);
      await lines({ tail: 0 });
    }
    await isTrimmed(10 * KIB);
    expect(numbersIn(`${(await texts({ tail: 5, stream: 'stdout' })).join('\n')}\n`)).toEqual(upTo(600, 595));
    const since = await texts({ since: now, stream: 'stdout' });
    expect(since.length).toBeLessThanOrEqual(20);
    expect(numbersIn(`${since.join('\n')}\n`)).toEqual(upTo(600, 600 - since.length));
    const tail = await store.errorTail('web.1', 'r1', 100, 100_000);
    expect(tail.at(-1)).toMatch(/^e+ 29$/);
    expect(tail.every((line) => /^e{990} \d+$/.test(line))).toBe(true);
    expect(tail.length).toBeLessThan(12);
  });

  it('goes on where an earlier daemon left off, and a reader without a daemon sees the same', async () => {
    store.beginRun('web.1', 'r1');
    store.retain('web.1', { maxSize: 50 * KIB, keep: 100 });
    appendFileSync(out(), numbered(0, 3_000));
    await lines({ tail: 0 });
    await isTrimmed(50 * KIB);
    const held = await texts();
    store.close();
    const offline = [];
    for await (const { text } of queryOffline(stateDir, { instances }, never, (w) => warnings.push(w)))
      offline.push(text);
    expect(offline).toEqual(held);
    store = open();
    store.beginRun('web.1', 'r1');
    expect(await texts()).toEqual(held);
    store.retain('web.1', { maxSize: 50 * KIB, keep: 100 });
    appendFileSync(out(), numbered(3_000, 6_000));
    await lines({ tail: 0 });
    await isTrimmed(50 * KIB);
    expect(brief(archived() + (await heldText()))).toEqual(brief(numbered(0, 6_000)));
    expect(warnings).toEqual([]);
  });

  it('begins a new file with the next run, and still shows what the run before wrote', async () => {
    store.beginRun('web.1', 'r1');
    store.retain('web.1', { maxSize: 50 * KIB, keep: 100 });
    appendFileSync(out(), numbered(0, 5_000));
    await lines({ tail: 0 });
    await isTrimmed(50 * KIB);
    store.endRun('web.1', 'r1');
    const before = await texts();
    store.beginRun('web.1', 'r2');
    expect(existsSync(out())).toBe(false);
    appendFileSync(out(), numbered(5_000, 5_100));
    expect(statSync(out()).size).toBe(numbered(5_000, 5_100).length);
    expect(await texts({ previous: true })).toEqual(before);
    expect(brief(await heldText())).toEqual(
      brief(before.map((text) => `${text}\n`).join('') + numbered(5_000, 5_100)),
    );
    appendFileSync(out(), numbered(5_100, 8_000));
    await lines({ tail: 0 });
    await eventually('the file put aside goes', () => !readdirSync(dir()).some((f) => f.includes('.from-')));
    await isTrimmed(50 * KIB);
    expect(brief(archived() + (await heldText()))).toEqual(brief(numbered(0, 8_000)));
    store.close();
    store = open();
    expect(brief(archived() + (await heldText()))).toEqual(brief(numbered(0, 8_000)));
    expect(warnings).toEqual([]);
  });

  it('waits for a reader of the lines of a run, so that it misses none', async () => {
    store.beginRun('web.1', 'r1');
    store.retain('web.1', { maxSize: 100 * KIB, keep: 0 });
    const count = 100_000;
    const writing = write(count, 2);
    const found: number[] = [];
    const stop = new AbortController();
    for await (const line of store.runLines('web.1', 'r1', 'stdout', stop.signal)) {
      found.push(Number(line.slice(0, 9)));
      if (found.length === count) stop.abort();
    }
    await writing;
    expect(found).toEqual(upTo(count));
    await isTrimmed(100 * KIB);
  });

  it('counts for a follower what was released before it got there', async () => {
    store.beginRun('web.1', 'r1');
    const stop = new AbortController();
    const following = store.query({ instances, follow: true }, stop.signal)[Symbol.asyncIterator]();
    const first = following.next();
    appendFileSync(out(), 'first\n');
    expect(((await first).value as LogLine).text).toBe('first');
    appendFileSync(out(), numbered(0, 20_000));
    store.retain('web.1', { maxSize: 10 * KIB, keep: 0 });
    await isTrimmed(10 * KIB);
    const next = (await following.next()).value as LogLine;
    const number = Number(next.text.slice(0, 9));
    expect(next.skipped).toBe(numbered(0, number).length);
    stop.abort();
  });

  it('is done with a limit of 0: all is kept', async () => {
    store.beginRun('web.1', 'r1');
    store.retain('web.1', { maxSize: 0, keep: 0 });
    appendFileSync(out(), numbered(0, 5_000));
    expect(brief(await heldText())).toEqual(brief(numbered(0, 5_000)));
    expect(readdirSync(dir()).sort()).toEqual(['log.index', 'stdout.log']);
  });

  it('survives that somebody empties the file', async () => {
    store.beginRun('web.1', 'r1');
    store.retain('web.1', { maxSize: 20 * KIB, keep: 2 });
    appendFileSync(out(), numbered(0, 3_000));
    await lines({ tail: 0 });
    await isTrimmed(20 * KIB);
    truncateSync(out(), 0);
    await lines({ tail: 0 });
    appendFileSync(out(), 'new\n');
    expect(await texts()).toEqual(['new']);
  });
});

describe('a daemon that died while it trimmed', () => {
  /** An index of a run whose first 400 bytes are in the archive, and files as they were at the moment of its death. */
  function left(options: { readonly archive: string; readonly index: string }): void {
    store.beginRun('web.1', 'r1');
    writeFileSync(out(), numbered(0, 2_000));
    store.close();
    writeFileSync(`${out()}.1`, options.archive);
    appendFileSync(join(dir(), 'log.index'), options.index);
    store = open();
    store.beginRun('web.1', 'r1');
  }

  it.skipIf(holes !== undefined)(
    'after it wrote to the archive and before it noted that: nothing is twice',
    async () => {
      const noted = numbered(0, 100);
      left({
        archive: numbered(0, 150),
        index: `h 1 stdout 0 ${noted.length} - 0\n`,
      });
      expect(brief(await heldText())).toEqual(brief(numbered(100, 2_000)));
      store.retain('web.1', { maxSize: 20 * KIB, keep: 1_000 });
      await isTrimmed(20 * KIB);
      expect(brief(archived() + (await heldText()))).toEqual(brief(numbered(0, 2_000)));
    },
  );

  it.skipIf(holes !== undefined)('while it renamed the archives: none is lost', async () => {
    const first = numbered(0, 200);
    left({ archive: '', index: `h 1 stdout 0 ${first.length} - 0\n` });
    rmSync(`${out()}.1`);
    writeFileSync(`${out()}.2`, first);
    store.retain('web.1', { maxSize: 20 * KIB, keep: 1_000 });
    await isTrimmed(20 * KIB);
    expect(brief(archived() + (await heldText()))).toEqual(brief(numbered(0, 2_000)));
  });

  it('after it put a file aside and before it noted that: its lines are still there', async () => {
    left({ archive: '', index: `h 1 stdout 0 ${numbered(0, 100).length} - -\n` });
    store.endRun('web.1', 'r1');
    store.close();
    const text = readFileSync(out(), 'utf8');
    rmSync(out());
    writeFileSync(`${out()}.from-0`, text);
    store = open();
    expect(brief(await heldText())).toEqual(brief(numbered(100, 2_000)));
    store.beginRun('web.1', 'r2');
    appendFileSync(out(), 'next run\n');
    expect(brief(await heldText())).toEqual(brief(`${numbered(100, 2_000)}next run\n`));
    expect(await texts({ previous: true })).toHaveLength(1_900);
  });
});

describe('where holes cannot be made', () => {
  beforeEach(() => {
    store.close();
    store = open({ punch: () => Promise.reject(new Error('Operation not supported')) });
  });

  it('the file grows until the next start, then is cut; it is said once', async () => {
    store.retain('web.1', { maxSize: 50 * KIB, keep: 1_000 });
    store.retain('api.1', { maxSize: 50 * KIB, keep: 1_000 });
    store.beginRun('web.1', 'r1');
    store.beginRun('api.1', 'r1');
    appendFileSync(out(), numbered(0, 3_000));
    appendFileSync(store.paths('api.1').stdout, numbered(0, 3_000));
    await store
      .query({ instances: [{ instance: 'api.1', service: 'api' }], follow: false }, never)
      [Symbol.asyncIterator]()
      .next();
    await lines({ tail: 0 });
    await eventually('it is said', () => warnings.length > 0);
    expect(warnings).toEqual([expect.stringContaining('(Operation not supported)')]);
    expect(brief(await heldText())).toEqual(brief(numbered(0, 3_000)));
    for (let run = 1; run < 4; run += 1) {
      store.endRun('web.1', `r${run}`);
      store.beginRun('web.1', `r${run + 1}`);
      await eventually('the old file is cut', async () => (await heldText()).length <= 50 * KIB);
      expect(brief(archived() + (await heldText()))).toEqual(brief(numbered(0, run * 3_000)));
      await eventually('its rest alone is left', () => {
        const aside = readdirSync(dir()).filter((file) => file.includes('.from-'));
        return aside.length === 1 && statSync(join(dir(), aside[0]!)).size <= 50 * KIB;
      });
      appendFileSync(out(), numbered(run * 3_000, (run + 1) * 3_000));
      await lines({ tail: 0 });
      await eventually('the rest is archived', () => !readdirSync(dir()).some((f) => f.includes('.from-')));
    }
    expect(brief(archived() + (await heldText()))).toEqual(brief(numbered(0, 12_000)));
    expect(warnings).toHaveLength(1);
  });
});

describe.skipIf(holes !== undefined)('where the archive cannot be written', () => {
  it('nothing is released, and it is said', async () => {
    store.beginRun('web.1', 'r1');
    appendFileSync(out(), numbered(0, 1_000));
    // A folder in its place: refused for a reason other than a full disk.
    mkdirSync(`${out()}.1`);
    store.retain('web.1', { maxSize: 10 * KIB, keep: 20 });
    await eventually('it is said', () => warnings.length > 0);
    expect(warnings).toEqual([expect.stringMatching(/cannot trim .*stdout\.log: .*EISDIR/)]);
    expect(brief(await heldText())).toEqual(brief(numbered(0, 1_000)));
  });
});

/** Why there can be no small disk to fill here. */
function lacksDisk(): string | undefined {
  const lack = lacksRoot() ?? lacks('mount', 'umount', 'fallocate');
  if (lack !== undefined) return lack;
  const point = mkdtempSync(join(tmpdir(), 'disk-'));
  try {
    mountSmall(point);
    execFileSync('umount', [point]);
    return undefined;
  } catch {
    return 'mounting is not permitted';
  } finally {
    rmSync(point, { recursive: true });
  }
}

function mountSmall(point: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', point], { stdio: 'ignore' });
}

describe.skipIf(lacksDisk() !== undefined)('a disk that is full', () => {
  beforeEach(() => {
    store.close();
    mountSmall(stateDir);
    store = open();
  });

  afterEach(() => {
    execFileSync('umount', ['--lazy', stateDir]);
  });

  it('loses the oldest lines, not the next ones, and it is said once how many bytes they were', async () => {
    store.beginRun('web.1', 'r1');
    store.retain('web.1', { maxSize: 400 * KIB, keep: 1_000 });
    for (let i = 0; i < 200; i += 1) {
      appendFileSync(out(), numbered(i * 1_000, (i + 1) * 1_000));
      await lines({ tail: 0 });
      await isTrimmed(400 * KIB);
    }
    const held = numbersIn(await heldText());
    expect(held).toEqual(upTo(200_000, held[0]));
    expect(held.length).toBeGreaterThan(1_000);
    const kept = numbersIn(archived());
    expect(kept).toEqual(upTo(kept.length));
    expect(kept.length).toBeGreaterThan(10_000);
    const said = warnings.filter((warning) => !warning.includes('log.index'));
    expect(said).toEqual([
      expect.stringMatching(/^the disk is full: \d+ bytes of .*stdout\.log were dropped/),
    ]);
    store.close();
    store = open();
    expect(numbersIn(await heldText())).toEqual(held);
  });
});
