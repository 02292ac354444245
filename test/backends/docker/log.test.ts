import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  LaneReader,
  type CopyPosition,
  newCursor,
  OVERLAP_MS,
  parseCopyPosition,
  resumeTime,
} from '../../../src/backends/docker/copy-position.ts';
import {
  FrameParser,
  type EngineLogEntry,
  RawParser,
  sinceParameter,
} from '../../../src/backends/docker/log-entries.ts';

/** A time as the engine writes it, so many nanoseconds after an hour. */
const time = (ns: number): string => {
  const seconds = Math.floor(ns / 1e9);
  const iso = new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString().slice(0, 19);
  return `${iso}.${String(ns % 1e9).padStart(9, '0')}Z`;
};

interface Written {
  readonly source: 'stdout' | 'stderr';
  readonly ns: number;
  readonly text: string;
}

const frame = ({ source, ns, text }: Written): Buffer => {
  const payload = Buffer.from(`${time(ns)} ${text}`);
  const header = Buffer.from([source === 'stdout' ? 1 : 2, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
};

const entry = ({ source, ns, text }: Written): EngineLogEntry => ({
  source,
  time: time(ns),
  payload: Buffer.from(text),
});

/** Entries whose times stand still at times, and of which the sources are not quite in order. */
const written = fc
  .array(
    fc.record({
      source: fc.constantFrom('stdout' as const, 'stderr' as const),
      step: fc.constantFrom(0, 0, 1, 1e9, 30e9),
      text: fc.constantFrom('a\n', 'a\n', 'bb\n', '', 'long piece'),
    }),
    { maxLength: 40 },
  )
  .map((steps) => {
    let ns = 1e9;
    return steps.map(({ source, step, text }): Written => ({ source, ns: (ns += step), text }));
  });

const cuts = fc.array(fc.nat({ max: 60 }), { maxLength: 60 });

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let from = 0;
  for (const length of at) {
    chunks.push(bytes.subarray(from, from + length));
    from += length;
  }
  return [...chunks, bytes.subarray(from)];
}

const refuse = (text: string): never => {
  throw new Error(text);
};

describe('entries of a log stream', () => {
  test('frames come out whole however the stream is cut', () => {
    fc.assert(
      fc.property(written, cuts, (all, at) => {
        const parser = new FrameParser(refuse);
        const found = cut(Buffer.concat(all.map(frame)), at).flatMap((chunk) => [...parser.push(chunk)]);
        expect([...found, ...parser.end()]).toEqual(all.map(entry));
      }),
    );
  });

  test("a terminal's entries come out whole however the stream is cut, long lines in pieces included", () => {
    const piece = 'x'.repeat(16_384);
    const texts = fc.array(fc.constantFrom('a\r\n', '2026-01-01 b\r\n', '\r\n', piece), { maxLength: 12 });
    fc.assert(
      fc.property(texts, cuts, (some, at) => {
        const all = some.map((text, i): Written => ({ source: 'stdout', ns: i, text }));
        const bytes = Buffer.concat(all.map(({ ns, text }) => Buffer.from(`${time(ns)} ${text}`)));
        const parser = new RawParser(refuse);
        const found = cut(bytes, at).flatMap((chunk) => [...parser.push(chunk)]);
        expect([...found, ...parser.end()]).toEqual(all.map(entry));
      }),
      { numRuns: 50 },
    );
  });

  test('an unfinished last line of a terminal is given at the end', () => {
    const parser = new RawParser(refuse);
    expect(parser.push(Buffer.from(`${time(1)} half`))).toEqual([]);
    expect(parser.end()).toEqual([entry({ source: 'stdout', ns: 1, text: 'half' })]);
  });

  test('times of other engines are brought to one form; what is no entry is told', () => {
    const told: string[] = [];
    const parser = new FrameParser((text) => told.push(text));
    const raw = (stream: number, text: string): Buffer => {
      const bytes = Buffer.from(text);
      const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, bytes.length]);
      return Buffer.concat([header, bytes]);
    };
    const [found] = parser.push(raw(1, '2026-01-01T02:00:00.5+02:00 x'));
    expect(found?.time).toBe('2026-01-01T00:00:00.500000000Z');
    expect(parser.push(raw(3, 'error grabbing logs'))).toEqual([]);
    expect(told).toEqual(['error grabbing logs']);
    expect(sinceParameter(time(5e9 + 7), 2000)).toBe('1767225603.000000007');
  });
});

interface File {
  text: string;
}

/** Reads the whole log from where the cursor says, up to an entry; of the last one only so many bytes are written. */
function copy(
  log: readonly Written[],
  cursor: CopyPosition,
  files: Record<string, File>,
  upTo: number,
  torn: number,
): CopyPosition {
  const since = resumeTime(cursor);
  const from = since === undefined ? '' : time(Math.max(0, nsOf(since) - OVERLAP_MS * 1e6));
  const readers = cursor.lanes.map((lane) => new LaneReader(lane, files[lane.path]!.text.length));
  for (const [i, each] of log.entries()) {
    if (i >= upTo) break;
    if (time(each.ns) < from) continue;
    const reader = readers.find(({ sources }) => sources.has(each.source))!;
    const bytes = reader.take(entry(each)).toString();
    files[reader.path]!.text += i === upTo - 1 ? bytes.slice(0, torn) : bytes;
  }
  return { lanes: readers.map((reader) => reader.cursor) };
}

function nsOf(text: string): number {
  return (Date.parse(`${text.slice(0, 19)}Z`) - Date.UTC(2026, 0, 1)) * 1e6 + Number(text.slice(20, 29));
}

describe('a log that is copied in turns', () => {
  const turns = fc.array(
    fc.record({ upTo: fc.nat({ max: 40 }), torn: fc.nat({ max: 5 }), isKept: fc.boolean() }),
    { maxLength: 6 },
  );

  test.each([['of two files'], ['of one file for both']])(
    'each byte once, wherever a daemon dies and whichever cursor was kept last: %s',
    (kind) => {
      const stderr = kind === 'of two files' ? 'err' : 'out';
      fc.assert(
        fc.property(written, turns, (log, some) => {
          const files: Record<string, File> = { out: { text: 'old' }, err: { text: 'old' } };
          let kept = newCursor({ path: 'out', size: 3 }, { path: stderr, size: 3 });
          let reached = 0;
          for (const { upTo, torn, isKept } of some) {
            // A log that was read to some place once is read at least as far again.
            reached = Math.max(reached, Math.min(upTo, log.length));
            const isWhole = torn === 5;
            const cursor = copy(log, kept, files, reached, isWhole ? Infinity : torn);
            // A cursor is kept only when what it says is in the file.
            if (isKept && isWhole) kept = parseCopyPosition(JSON.parse(JSON.stringify(cursor)))!;
          }
          copy(log, kept, files, Infinity, 0);
          const of = (source: string): string =>
            log.flatMap((e) => (e.source === source ? [e.text] : [])).join('');
          const expected = kind === 'of two files' ? of('stdout') : log.map(({ text }) => text).join('');
          expect(files['out']!.text).toBe(`old${expected}`);
          if (kind === 'of two files') expect(files['err']!.text).toBe(`old${of('stderr')}`);
        }),
        { numRuns: 500 },
      );
    },
  );

  test('an anchor that the engine has thrown away does not stop what is later', () => {
    const lane = {
      path: 'out',
      sources: ['stdout'] as const,
      size: 5,
      last: { source: 'stdout', time: time(10), count: 3 } as const,
      times: { stdout: time(10) },
    };
    const reader = new LaneReader(lane, 5);
    expect(reader.take(entry({ source: 'stdout', ns: 9, text: 'old' })).toString()).toBe('');
    expect(reader.take(entry({ source: 'stdout', ns: 11, text: 'new' })).toString()).toBe('new');
  });

  test('a cursor that is not one is not read', () => {
    for (const value of [
      undefined,
      {},
      { lanes: [{}] },
      { lanes: [{ path: 'a', sources: [], size: 1, last: 1 }] },
    ]) {
      expect(parseCopyPosition(value)).toBeUndefined();
    }
  });
});
