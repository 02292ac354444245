/** One entry of an engine's log: a line, or a piece of one that was too long, without a line end then. */
export interface EngineLogEntry {
  readonly source: 'stdout' | 'stderr';
  /** Of fixed width, so that the order of texts is the order of times: `2026-01-02T03:04:05.000000006Z`. */
  readonly time: string;
  readonly payload: Buffer;
}

/** Bytes that were not an entry: what the engine itself had to say in the midst of a log. */
type Complaint = (text: string) => void;

/** Takes the chunks of a log stream with timestamps apart into entries. */
export interface EntryParser {
  push(chunk: Buffer): readonly EngineLogEntry[];
  /** What is left when the stream has ended whole. */
  end(): readonly EngineLogEntry[];
}

const HEADER_BYTES = 8;
const STDOUT = 1;
const STDERR = 2;
/** More than any engine puts into one entry: a stream that claims more is not a log. */
const LONGEST_FRAME_BYTES = 64 * 1024 * 1024;

/**
 * A log without a terminal: frames of a stream's number, three zeros, a length of four bytes, and one entry each (Docker
 * Engine API, "ContainerAttach", stream format).
 */
export class FrameParser implements EntryParser {
  readonly #complain: Complaint;
  #rest: Buffer = Buffer.alloc(0);

  constructor(complain: Complaint) {
    this.#complain = complain;
  }

  push(chunk: Buffer): readonly EngineLogEntry[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const entries: EngineLogEntry[] = [];
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = bytes.readUInt32BE(at + 4);
      if (length > LONGEST_FRAME_BYTES) throw new Error(`a log frame claims to be ${length} bytes long`);
      const end = at + HEADER_BYTES + length;
      if (end > bytes.length) break;
      this.#take(bytes[at], bytes.subarray(at + HEADER_BYTES, end), entries);
      at = end;
    }
    this.#rest = bytes.subarray(at);
    return entries;
  }

  /** A frame that was cut off is sent again by the next stream. */
  end(): readonly EngineLogEntry[] {
    return [];
  }

  #take(stream: number | undefined, frame: Buffer, entries: EngineLogEntry[]): void {
    const entry =
      stream === STDOUT || stream === STDERR
        ? splitTime(frame, stream === STDOUT ? 'stdout' : 'stderr')
        : undefined;
    if (entry === undefined) this.#complain(frame.toString('utf8').trim());
    else entries.push(entry);
  }
}

const NEWLINE = 0x0a;
const SPACE = 0x20;
const TIME_CHARS = 30;
const LONGEST_TIME_CHARS = 40;
/** The engine cuts a longer line into pieces of this size. */
const PIECE_BYTES = 16 * 1024;

/**
 * A terminal's log: entries one after the other with nothing between. An entry ends with its line, or after as many bytes
 * as make a piece if another entry's time follows right there.
 */
export class RawParser implements EntryParser {
  readonly #complain: Complaint;
  #rest: Buffer = Buffer.alloc(0);

  constructor(complain: Complaint) {
    this.#complain = complain;
  }

  push(chunk: Buffer): readonly EngineLogEntry[] {
    return this.#parse(this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]), false);
  }

  end(): readonly EngineLogEntry[] {
    return this.#parse(this.#rest, true);
  }

  #parse(bytes: Buffer, isLast: boolean): readonly EngineLogEntry[] {
    const entries: EngineLogEntry[] = [];
    let at = 0;
    while (at < bytes.length) {
      const end = this.#endOf(bytes, at, isLast);
      if (end === undefined) break;
      const entry = splitTime(bytes.subarray(at, end), 'stdout');
      if (entry === undefined) this.#complain(bytes.toString('utf8', at, end).trim());
      else entries.push(entry);
      at = end;
    }
    this.#rest = bytes.subarray(at);
    return entries;
  }

  #endOf(bytes: Buffer, at: number, isLast: boolean): number | undefined {
    const newline = bytes.indexOf(NEWLINE, at);
    const payload = bytes.indexOf(SPACE, at) + 1;
    const piece = payload + PIECE_BYTES;
    const isLong = payload > at && (newline < 0 ? bytes.length : newline) >= piece;
    if (isLong) {
      // Whether another entry begins here shows only once its time is there.
      if (bytes.length < piece + LONGEST_TIME_CHARS && newline < 0 && !isLast) return undefined;
      if (splitTime(bytes.subarray(piece, piece + LONGEST_TIME_CHARS), 'stdout') !== undefined) return piece;
    }
    if (newline >= 0) return newline + 1;
    return isLast ? bytes.length : undefined;
  }
}

function splitTime(frame: Buffer, source: EngineLogEntry['source']): EngineLogEntry | undefined {
  const space = frame.indexOf(SPACE);
  if (space < 20 || space > LONGEST_TIME_CHARS) return undefined;
  const text = frame.toString('latin1', 0, space);
  const time = space === TIME_CHARS && text.endsWith('Z') ? text : normalTime(text);
  if (time === undefined || !/^\d{4}-\d\d-\d\dT/.test(time)) return undefined;
  return { source, time, payload: frame.subarray(space + 1) };
}

/** RFC 3339 with any number of decimals and any zone, as other engines than Docker's write it. */
function normalTime(text: string): string | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return undefined;
  const [, seconds = '', fraction = '', zone = 'Z'] = match;
  const at = Date.parse(`${seconds}${zone}`);
  if (Number.isNaN(at)) return undefined;
  return `${new Date(at).toISOString().slice(0, 19)}.${fraction.padEnd(9, '0')}Z`;
}

/** What the engine's `since` takes: Unix seconds with nanoseconds. `earlierMs` before the time. */
export function sinceParameter(time: string, earlierMs: number): string {
  const ms = Math.max(0, Date.parse(`${time.slice(0, 19)}Z`) - earlierMs);
  return `${Math.floor(ms / 1000)}.${time.slice(20, 29)}`;
}
