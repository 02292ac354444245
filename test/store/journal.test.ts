import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProjectEvent } from '../../src/core/event.ts';
import type { JournalOptions } from '../../src/store/journal.ts';
import { Journal, readJournal } from '../../src/store/journal.ts';

let dir: string;
let file: string;
let now: number;
const opened: Journal[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'journal-'));
  file = join(dir, 'events.ndjson');
  now = 1_000;
});

afterEach(() => {
  for (const journal of opened.splice(0)) journal.close();
  rmSync(dir, { recursive: true, force: true });
});

function open(options: Partial<JournalOptions> = {}): Journal {
  const journal = new Journal(dir, { wall: () => (now += 1), ...options });
  opened.push(journal);
  return journal;
}

function warn(journal: Journal, message: string, service?: string): ProjectEvent {
  return journal.append({ type: 'warning', message }, service === undefined ? {} : { service });
}

function messages(happenings: readonly ProjectEvent[]): string[] {
  return happenings.map((each) => (each.type === 'warning' ? each.message : each.type));
}

describe('the journal', () => {
  it('writes one numbered line per happening', () => {
    const journal = open();
    expect(journal.append({ type: 'daemon-started', pid: 7, version: '1' }, {})).toEqual({
      type: 'daemon-started',
      pid: 7,
      version: '1',
      seq: 1,
      time: 1_001,
    });
    journal.append({ type: 'warning', message: 'db\nready' }, { service: 'api', instance: 'api.1' });
    expect(readFileSync(file, 'utf8').split('\n').slice(1)).toEqual([
      '{"type":"warning","message":"db\\nready","service":"api","instance":"api.1","seq":2,"time":1002}',
      '',
    ]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('goes on counting where an earlier daemon ended', () => {
    const first = open();
    for (let i = 0; i < 5; i += 1) warn(first, `m${i}`);
    first.close();
    const second = open();
    expect(warn(second, 'm5').seq).toBe(6);
    expect(messages(second.recent(3))).toEqual(['m3', 'm4', 'm5']);
  });

  it('closes a line that a crash left unfinished, and skips it', () => {
    const first = open();
    warn(first, 'whole');
    first.close();
    appendFileSync(file, '{"type":"warning","mess');
    const second = open();
    warn(second, 'next');
    expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(4);
    expect(messages(readJournal(dir, 10))).toEqual(['whole', 'next']);
    expect(readJournal(dir, 10).map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it.each([
    ['binary', Buffer.from([0xff, 0x00, 0x0a, 0x7b, 0x0a])],
    ['other JSON', '[]\n"x"\n{}\n{"seq":"1","time":1,"type":"warning"}\n'],
    ['one endless line', '{'.repeat(700_000)],
  ])('skips what is no happening: %s', (_, content) => {
    writeFileSync(file, content);
    const journal = open();
    expect(warn(journal, 'first').seq).toBe(1);
    expect(messages(readJournal(dir, 10))).toEqual(['first']);
  });

  it('keeps the older file once, and reads over both', () => {
    const journal = open({ rotateAtBytes: 1_000 });
    const line = (i: number): string => `${String(i).padStart(4, '0')}${'x'.repeat(100)}`;
    for (let i = 1; i <= 100; i += 1) {
      warn(journal, line(i));
      expect(statSync(join(dir, 'events.ndjson'), { throwIfNoEntry: false })?.size ?? 0).toBeLessThan(1_200);
    }
    expect(existsSync(join(dir, 'events.1.ndjson'))).toBe(true);
    expect(existsSync(join(dir, 'events.2.ndjson'))).toBe(false);
    expect(messages(readJournal(dir, 8))).toEqual([93, 94, 95, 96, 97, 98, 99, 100].map(line));
    journal.close();
    expect(warn(open(), 'more').seq).toBe(101);
  });

  it('goes on counting when a rotation was the last thing that happened', () => {
    const journal = open({ rotateAtBytes: 10 });
    warn(journal, 'a');
    expect(existsSync(file)).toBe(false);
    journal.close();
    expect(warn(open(), 'b').seq).toBe(2);
  });

  it('keeps the last 2,000 in memory and filters by service', () => {
    const journal = open();
    for (let i = 1; i <= 5_000; i += 1) warn(journal, `m${i}`, i % 2 === 0 ? 'even' : 'odd');
    expect(journal.recent(10_000)).toHaveLength(2_000);
    expect(messages(journal.recent(2, 'odd'))).toEqual(['m4997', 'm4999']);
    expect(journal.recent(0)).toEqual([]);
    expect(messages(readJournal(dir, 2, 'even'))).toEqual(['m4998', 'm5000']);
    expect(messages(readJournal(dir, 4_500)).slice(0, 2)).toEqual(['m501', 'm502']);
  });
});

describe('a service to which something happens all the time', () => {
  /** As much as fills the files several times over. */
  function flood(journal: Journal, from: number): void {
    for (let i = from; i < from + 6_000; i += 1) warn(journal, `flood ${i} ${'x'.repeat(50)}`, 'loop');
  }

  it('does not cost the others their history, in memory or on the disk', () => {
    const options = { rotateAtBytes: 64 * 1024 };
    const journal = open(options);
    for (let i = 0; i < 150; i += 1) warn(journal, `quiet ${i}`, 'quiet');
    journal.append({ type: 'manifest-applied', counts: { start: 2 } }, {});
    flood(journal, 0);
    const last = Array.from({ length: 100 }, (_, n) => `quiet ${n + 50}`);
    const check = (of: Journal): void => {
      expect(messages(of.recent(100, 'quiet'))).toEqual(last);
      const all = of.recent(20_000);
      expect(all.filter(({ type }) => type === 'manifest-applied')).toHaveLength(1);
      expect(all.map(({ seq }) => seq)).toEqual(
        [...new Set(all.map(({ seq }) => seq))].sort((a, b) => a - b),
      );
      expect(all.length).toBeLessThanOrEqual(2_000 + 3 * 100);
    };
    check(journal);
    expect(messages(readJournal(dir, 100, 'quiet'))).toEqual(last);
    expect(messages(readJournal(dir, 3, 'quiet'))).toEqual(last.slice(-3));
    journal.close();

    const later = open(options);
    check(later);
    flood(later, 6_000);
    warn(later, 'quiet again', 'quiet');
    expect(messages(readJournal(dir, 2, 'quiet'))).toEqual(['quiet 149', 'quiet again']);
    expect(messages(later.recent(2, 'quiet'))).toEqual(['quiet 149', 'quiet again']);
    expect(messages(later.recent(1, 'loop'))[0]).toContain('flood 11999 ');
    const files = readdirSync(dir);
    expect(files.sort()).toEqual(['events.1.ndjson', 'events.kept.ndjson', 'events.ndjson']);
    expect(files.map((name) => statSync(join(dir, name)).size).reduce((a, b) => a + b)).toBeLessThan(200_000);
  });

  it('is itself counted without a gap', () => {
    const journal = open({ rotateAtBytes: 64 * 1024 });
    warn(journal, 'quiet', 'quiet');
    flood(journal, 0);
    const seqs = journal.recent(2_000).map(({ seq }) => seq);
    expect(seqs).toEqual(Array.from({ length: 2_000 }, (_, n) => 6_001 - 1_999 + n));
  });

  it('keeps what there was where the disk has no room for that', () => {
    mkdirSync(join(dir, 'events.kept.ndjson.tmp'));
    const journal = open({ rotateAtBytes: 64 * 1024 });
    warn(journal, 'quiet', 'quiet');
    flood(journal, 0);
    expect(messages(journal.recent(5, 'quiet'))).toEqual(['quiet']);
    expect(messages(readJournal(dir, 1))[0]).toContain('flood 5999 ');
    rmdirSync(join(dir, 'events.kept.ndjson.tmp'));
    flood(journal, 6_000);
    expect(messages(readJournal(dir, 5, 'quiet'))).toEqual(['quiet']);
  });
});

describe('a disk that refuses', () => {
  it('costs lines, never an error, and the loss is told once the disk takes something again', () => {
    let full = false;
    const own: ProjectEvent[] = [];
    const journal = open({
      onOwn: (happening) => own.push(happening),
      write: (fd, bytes) => {
        if (full) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
        return writeSync(fd, bytes);
      },
    });
    warn(journal, 'before');
    full = true;
    for (const message of ['lost 1', 'lost 2', 'lost 3']) warn(journal, message);
    expect(messages(journal.recent(10))).toEqual(['before', 'lost 1', 'lost 2', 'lost 3']);
    full = false;
    expect(warn(journal, 'after').seq).toBe(6);
    const told = '3 happenings could not be written to the journal: no space left on the disk (ENOSPC)';
    expect(messages(readJournal(dir, 10))).toEqual(['before', told, 'after']);
    expect(messages(own)).toEqual([told]);
    expect(journal.recent(10).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
    warn(journal, 'later');
    expect(messages(readJournal(dir, 1))).toEqual(['later']);
  });

  it('leaves no half of a line in the file', () => {
    let room = Infinity;
    const journal = open({ write: (fd, bytes) => writeSync(fd, bytes.subarray(0, room)) });
    warn(journal, 'whole');
    const before = readFileSync(file, 'utf8');
    room = 10;
    warn(journal, 'cut');
    expect(readFileSync(file, 'utf8')).toBe(before);
    room = Infinity;
    warn(journal, 'after');
    expect(messages(readJournal(dir, 10))).toEqual([
      'whole',
      '1 happening could not be written to the journal: the disk took only a part of the line',
      'after',
    ]);
  });

  it('includes a folder that is gone', () => {
    const journal = new Journal(join(dir, 'gone'), { wall: () => 5 });
    expect(warn(journal, 'x')).toMatchObject({ seq: 1 });
    expect(messages(journal.recent(1))).toEqual(['x']);
    expect(readJournal(join(dir, 'gone'), 5)).toEqual([]);
  });
});
