import { closeSync, fstatSync, ftruncateSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ProjectEvent, ProjectEventBody } from '../core/event.ts';
import type { ServiceId } from '../core/service.ts';
import { explainErrno } from '../core/util/system-error.ts';
import { readReplaced, replaceQuickly } from './files.ts';
import { upgradedEvent } from './former.ts';
import { RecentEvents, EventRetention } from './recent-events.ts';

const FILE = 'events.ndjson';
const OLDER_FILE = 'events.1.ndjson';

/** Of each service the newest happenings as they were at the last rotation: the older file may hold another's alone. */
const KEPT_FILE = 'events.kept.ndjson';

/** A journal larger than this is set aside as the older one, which replaces the one before. */
const ROTATE_AT_BYTES = 8 * 1024 * 1024;

const NEWLINE = 0x0a;
const READ_BYTES = 256 * 1024;

export interface JournalOptions {
  /** Epoch ms. */
  readonly wall: () => number;
  readonly rotateAtBytes?: number;
  /** Writes to the file; tests put a disk that refuses here. Answers how many bytes were taken, as write(2) does. */
  readonly write?: (fd: number, bytes: Buffer) => number;
  /** Told of what the journal adds by itself: that happenings could not be written. */
  readonly onOwn?: (happening: ProjectEvent) => void;
}

type At = { readonly service?: ServiceId; readonly instance?: string };

/**
 * The append-only record of what happened, one JSON object a line. Appending never fails: what the disk refuses stays
 * in memory, is counted, and the count is appended as a warning as soon as the disk takes something again. A line that
 * a crash left unfinished is closed by a newline at the next opening, and skipped by readers. However much happens to one
 * service, the last happenings of every other one are kept, in memory and on the disk.
 */
export class Journal {
  readonly #dir: string;
  readonly #options: JournalOptions;
  readonly #write: (fd: number, bytes: Buffer) => number;
  readonly #rotateAt: number;
  #fd: number | undefined;
  #size = 0;
  #seq: number;
  readonly #history: RecentEvents;
  #dropped = 0;
  #refusal = '';
  /** Something unfinished is at the file's end. */
  #torn = false;

  constructor(stateDir: string, options: JournalOptions) {
    this.#dir = stateDir;
    this.#options = options;
    this.#write = options.write ?? ((fd, bytes) => writeSync(fd, bytes));
    this.#rotateAt = options.rotateAtBytes ?? ROTATE_AT_BYTES;
    this.#history = new RecentEvents(readKept(stateDir));
    this.#seq = this.#history.newest()?.seq ?? 0;
  }

  append(body: ProjectEventBody, at: At): ProjectEvent {
    const before = this.#seq;
    const lost = this.#dropped > 0 ? this.#lossWarning() : undefined;
    const happening = this.#number(body, at);
    if (this.#put(lost === undefined ? [happening] : [lost, happening])) {
      this.#dropped = 0;
      if (lost !== undefined) {
        this.#history.push(lost);
        this.#options.onOwn?.(lost);
      }
      this.#history.push(happening);
      return happening;
    }
    this.#dropped += 1;
    if (lost === undefined) {
      this.#history.push(happening);
      return happening;
    }
    // The warning is not out yet, so its number is free again.
    this.#seq = before;
    const alone = { ...happening, seq: this.#next() };
    this.#history.push(alone);
    return alone;
  }

  /** The newest, oldest first; see `RecentEvents.recent`. */
  recent(limit: number, service?: ServiceId): readonly ProjectEvent[] {
    return this.#history.recent(limit, service);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #next(): number {
    this.#seq += 1;
    return this.#seq;
  }

  #number(body: ProjectEventBody, at: At): ProjectEvent {
    return { ...body, ...at, seq: this.#next(), time: this.#options.wall() };
  }

  #lossWarning(): ProjectEvent {
    const count = this.#dropped === 1 ? '1 happening' : `${this.#dropped} happenings`;
    return this.#number(
      { type: 'warning', message: `${count} could not be written to the journal: ${this.#refusal}` },
      {},
    );
  }

  #put(happenings: readonly ProjectEvent[]): boolean {
    try {
      const fd = this.#opened();
      const lines = happenings.map((each) => `${JSON.stringify(each)}\n`).join('');
      const bytes = Buffer.from(this.#torn ? `\n${lines}` : lines);
      const taken = this.#write(fd, bytes);
      if (taken < bytes.length) {
        this.#refusal = 'the disk took only a part of the line';
        this.#cutBack(fd);
        return false;
      }
      this.#torn = false;
      this.#size += bytes.length;
      if (this.#size >= this.#rotateAt) this.#rotate();
      return true;
    } catch (error) {
      this.#refusal = explainErrno(error);
      return false;
    }
  }

  #opened(): number {
    if (this.#fd !== undefined) return this.#fd;
    const fd = openSync(join(this.#dir, FILE), 'a+', 0o600);
    this.#size = fstatSync(fd).size;
    this.#torn = this.#size > 0 && readAt(fd, this.#size - 1, 1)[0] !== NEWLINE;
    this.#fd = fd;
    return fd;
  }

  #cutBack(fd: number): void {
    try {
      ftruncateSync(fd, this.#size);
    } catch {
      this.#torn = true;
      this.#size = fstatSync(fd).size;
    }
  }

  #rotate(): void {
    this.#keepOfEach();
    try {
      renameSync(join(this.#dir, FILE), join(this.#dir, OLDER_FILE));
      this.close();
    } catch {
      // The folder refuses the rename: go on with the long file, and try again after as much more.
      this.#size = 0;
    }
  }

  #keepOfEach(): void {
    const lines = this.#history.ofEach().map((each) => `${JSON.stringify(each)}\n`);
    try {
      replaceQuickly(join(this.#dir, KEPT_FILE), lines.join(''));
    } catch {
      // The disk refuses it. What there was before stays, and what is in memory.
    }
  }
}

/**
 * The newest `limit` happenings of a project, oldest first, read from its files; needs no daemon and changes nothing.
 * Lines that are no happening are skipped, and so are files that cannot be read.
 */
export function readJournal(stateDir: string, limit: number, service?: ServiceId): ProjectEvent[] {
  const found: ProjectEvent[] = [];
  const fits = (of: ServiceId | undefined): boolean => service === undefined || of === service;
  collect(
    stateDir,
    { wants: fits, keeps: (each) => fits(each.service), isFull: () => found.length >= limit },
    found,
  );
  return found.reverse();
}

/** What a journal keeps in memory of those that its files hold, oldest first. */
function readKept(stateDir: string): ProjectEvent[] {
  const found: ProjectEvent[] = [];
  const sieve = new EventRetention();
  const choice: Choice = {
    wants: (service) => sieve.wants(service),
    keeps: (each) => sieve.keeps(each),
    isFull: () => false,
  };
  collect(stateDir, choice, found);
  return found.reverse();
}

interface Choice {
  /** Whether one of this service may be kept; spares the parsing of the others. */
  wants(service: ServiceId | undefined): boolean;
  keeps(happening: ProjectEvent): boolean;
  isFull(): boolean;
}

/** Adds what is chosen of a project's happenings to `found`, newest first. */
function collect(stateDir: string, choice: Choice, found: ProjectEvent[]): void {
  for (const file of [FILE, OLDER_FILE]) collectFromEnd(join(stateDir, file), choice, found);
  if (choice.isFull()) return;
  const kept = readReplaced(join(stateDir, KEPT_FILE), () => true);
  if (kept.kind !== 'text') return;
  // The other files may hold some of these, too.
  const before = found.at(-1)?.seq ?? Infinity;
  collectLines(
    kept.text.split('\n'),
    { ...choice, keeps: (each) => each.seq < before && choice.keeps(each) },
    found,
  );
}

/** Adds happenings of a file to `found`, newest first. */
function collectFromEnd(path: string, choice: Choice, found: ProjectEvent[]): void {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    let end = fstatSync(fd).size;
    // The beginning of a line whose end was in the chunk read before.
    let rest: Buffer = Buffer.alloc(0);
    while (end > 0 && !choice.isFull()) {
      const start = Math.max(0, end - READ_BYTES);
      const bytes = Buffer.concat([readAt(fd, start, end - start), rest]);
      const whole = start === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
      if (start > 0 && whole === 0) rest = bytes;
      else {
        rest = bytes.subarray(0, whole);
        collectLines(bytes.toString('utf8', whole).split('\n'), choice, found);
      }
      end = start;
    }
  } catch {
    // Not there, or not readable: there is nothing to add from it.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function collectLines(lines: readonly string[], choice: Choice, found: ProjectEvent[]): void {
  for (let i = lines.length - 1; i >= 0 && !choice.isFull(); i -= 1) {
    const line = lines[i] ?? '';
    if (!choice.wants(serviceOf(line))) continue;
    const happening = parseHappening(line);
    if (happening !== undefined && choice.keeps(happening)) found.push(happening);
  }
}

/** The service that a line is of which we have written; undefined where it is of the project as a whole. */
function serviceOf(line: string): ServiceId | undefined {
  return PLACE.exec(line.slice(-LONGEST_PLACE))?.groups?.['service'];
}

/** What of a line says where it happened: its end. What the event itself says may name services as well. */
const PLACE = /"service":"(?<service>[^"]*)"(?:,"instance":"[^"]*")?,"seq":\d+,"time":[\d.]+\}$/;
const LONGEST_PLACE = 512;

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const got = readSync(fd, bytes, filled, length - filled, position + filled);
    if (got === 0) break;
    filled += got;
  }
  return bytes.subarray(0, filled);
}

function parseHappening(line: string): ProjectEvent | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value = JSON.parse(line) as Partial<ProjectEvent>;
    const holds =
      typeof value.type === 'string' && Number.isSafeInteger(value.seq) && typeof value.time === 'number';
    return holds ? (upgradedEvent(value) as unknown as ProjectEvent) : undefined;
  } catch {
    return undefined;
  }
}
