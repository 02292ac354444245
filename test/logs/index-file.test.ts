import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { IndexFile } from '../../src/logs/index-file.ts';
import type { Timeline } from '../../src/logs/timeline.ts';

let dir: string;
let path: string;
let warnings: string[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'index-'));
  path = join(dir, 'log.index');
  warnings = [];
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function open(readOnly = false): IndexFile {
  return new IndexFile(path, { readOnly, onWarning: (message) => warnings.push(message) });
}

function content(timeline: Timeline): unknown {
  return {
    samples: Array.from({ length: timeline.length }, (_, i) => timeline.at(i)),
    runs: timeline.runs,
  };
}

function fill(index: IndexFile): void {
  index.beginRun('a', { time: 1, stdout: 0, stderr: 0 });
  index.add([
    { time: 5, stdout: 10, stderr: 0 },
    { time: 6, stdout: 10, stderr: 7 },
  ]);
  index.endRun('a', { time: 9, stdout: 12, stderr: 7 });
}

it('reads back what was added, over several openings', () => {
  const first = open();
  fill(first);
  const second = open();
  expect(content(second.timeline)).toEqual(content(first.timeline));
  second.beginRun('b', { time: 20, stdout: 12, stderr: 7 });
  expect(open().timeline.previousRange('stdout')).toEqual({ from: 0, to: 12 });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(warnings).toEqual([]);
});

it('does not believe a line that a crash cut off, wherever it was cut', () => {
  fill(open());
  const whole = readFileSync(path, 'latin1');
  for (let length = 0; length <= whole.length; length += 1) {
    writeFileSync(path, whole.slice(0, length));
    const index = open();
    const samples = index.timeline.length;
    index.add([{ time: 100, stdout: 1_000, stderr: 100 }]);
    const again = open();
    expect(content(again.timeline)).toEqual(content(index.timeline));
    expect(again.timeline.length).toBe(samples + 1);
    for (const { stdout } of Array.from({ length: samples }, (_, i) => index.timeline.at(i)!)) {
      expect([0, 10, 12]).toContain(stdout);
    }
  }
  expect(warnings).toEqual([]);
});

it('passes over lines that make no sense', () => {
  fill(open());
  const good = content(open().timeline);
  appendFileSync(path, 's 1 2\ns x y z\ns 1 -2 3\nq 1 2 3\nr 1 2 3\ns 1e99 1 1\n\0\n\n');
  expect(content(open().timeline)).toEqual(good);
});

it('sets a file of another kind aside and begins anew', () => {
  writeFileSync(path, 'setpoint-log-index 2\nx\n');
  const index = open();
  expect(warnings).toEqual([`${path} is not an index this version knows; set aside as ${path}.damaged`]);
  fill(index);
  expect(content(open().timeline)).toEqual(content(index.timeline));
  expect(readFileSync(`${path}.damaged`, 'utf8')).toBe('setpoint-log-index 2\nx\n');
});

it('stays small however much is written, and keeps its last entries exactly', () => {
  const index = open();
  index.beginRun('a', { time: 0, stdout: 0, stderr: 0 });
  for (let i = 1; i <= 30_000; i += 1) {
    index.add([{ time: 1_700_000_000_000 + i * 100, stdout: i * 10_000, stderr: i }]);
    if (i === 20_000)
      index.beginRun('b', { time: 1_700_000_000_000 + i * 100, stdout: i * 10_000, stderr: i });
  }
  expect(statSync(path).size).toBeLessThan(200 * 1024);
  const reopened = open().timeline;
  expect(reopened.runs).toEqual(index.timeline.runs);
  expect(reopened.at(-1)).toEqual(index.timeline.at(-1));
  expect(reopened.rangeOf('b', 'stderr')).toEqual({ from: 20_000 });
  expect(reopened.generation('stdout')).toBe(0);
  const hand = { index: 0 };
  for (const i of [29_000, 29_999]) {
    expect(reopened.timeOf('stdout', i * 10_000, hand)).toBe(1_700_000_000_000 + i * 100);
  }
  // Older ones are less exact, but lie within the samples kept.
  const old = reopened.timeOf('stdout', 100 * 10_000, hand) - 1_700_000_000_000;
  expect(Math.abs(old - 100 * 100)).toBeLessThan(60_000);
});

it('remembers that a file was replaced by one that is not smaller', () => {
  const index = open();
  fill(index);
  index.forgetContent('stdout');
  index.add([{ time: 30, stdout: 500, stderr: 7 }]);
  const reopened = open().timeline;
  expect(reopened.rangeOf('a', 'stdout')).toEqual({ from: 0 });
  expect(reopened.rangeOf('a', 'stderr')).toEqual({ from: 0 });
  expect(content(reopened)).toEqual(content(index.timeline));
});

it('goes on in memory where the disk refuses, says so once, and writes all of it later', () => {
  mkdirSync(path);
  const index = open();
  fill(index);
  expect(warnings).toHaveLength(1);
  expect(index.timeline.rangeOf('a', 'stdout')).toEqual({ from: 0 });
  rmSync(path, { recursive: true });
  index.add([{ time: 40, stdout: 13, stderr: 7 }]);
  expect(content(open().timeline)).toEqual(content(index.timeline));
});

it('changes nothing when it is opened for reading only', () => {
  const reading = open(true);
  reading.add([{ time: 1, stdout: 5, stderr: 0 }]);
  expect(reading.timeline.length).toBe(1);
  expect(existsSync(path)).toBe(false);
  writeFileSync(path, 'something else\n');
  expect(open(true).timeline.length).toBe(0);
  expect(readFileSync(path, 'utf8')).toBe('something else\n');
  expect(warnings).toEqual([`${path} is not an index this version knows; times of its lines are rough`]);
});
