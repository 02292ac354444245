import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { RunId } from '../core/state.ts';
import { errnoOf, messageOf } from '../core/util/system-error.ts';
import type { RetainedRange } from './retained-range.ts';
import { retainedRangeLine, parseRetainedRange, WHOLE_FILE } from './retained-range.ts';
import type { Sample, Stream } from './timeline.ts';
import { Timeline } from './timeline.ts';

const HEADER = 'setpoint-log-index 1\n';

/** Past this size the file is written anew with fewer samples. */
const COMPACT_AT_BYTES = 128 * 1024;

const STREAMS: readonly Stream[] = ['stdout', 'stderr'];

interface IndexFileOptions {
  /** A reader without a daemon behind it: nothing is repaired and nothing written. */
  readonly readOnly: boolean;
  readonly onWarning: (message: string) => void;
}

/**
 * The index of an instance's output: a timeline, kept in memory and in a small text file. A line is one of
 *
 *     s <epoch ms> <bytes of stdout> <bytes of stderr>           a sample
 *     r <epoch ms> <bytes of stdout> <bytes of stderr> <run>     a run begins here
 *     e <epoch ms> <bytes of stdout> <bytes of stderr> <run>     a run has ended
 *     h <epoch ms> <stream> <base> <start> <before> <archive>    which bytes of a stream there still are
 *
 * A line without its newline was cut off by a crash and does not count, for a cut number is another number. Where the
 * disk refuses, the index goes on in memory and says so once.
 */
export class IndexFile {
  readonly timeline = new Timeline();
  readonly #path: string;
  readonly #options: IndexFileOptions;
  /** Of the file, or of what it would be if the disk took it. */
  #bytes = 0;
  /** The file holds all that is in memory, so that appending to it will do. */
  #whole = false;
  #warned = false;

  constructor(path: string, options: IndexFileOptions) {
    this.#path = path;
    this.#options = options;
    this.#load();
  }

  add(samples: readonly Sample[]): void {
    for (const sample of samples) this.timeline.add(sample);
    this.#append(samples.map((sample) => line('s', sample)).join(''));
  }

  beginRun(run: RunId, begin: Sample): void {
    this.timeline.beginRun(run, begin);
    this.#append(line('r', begin, run));
  }

  endRun(run: RunId, end: Sample): void {
    this.timeline.endRun(run, end);
    this.#append(line('e', end, run));
  }

  /** The file is another one although it is not smaller: said by a sample of size 0 before those of the new file. */
  forgetContent(stream: Stream): void {
    this.timeline.forgetContent(stream);
    const last = this.timeline.at(-1);
    if (last !== undefined) this.#append(line('s', last));
  }

  setRetained(stream: Stream, retained: RetainedRange): void {
    this.timeline.setRetained(stream, retained);
    this.#append(retainedRangeLine(this.timeline.at(-1)?.time ?? 0, stream, retained));
  }

  /** Tries again to write what the disk refused before. */
  flush(): void {
    if (!this.#whole && !this.#options.readOnly) this.#rewrite();
  }

  #load(): void {
    let text: string;
    try {
      text = readFileSync(this.#path, 'latin1');
    } catch (error) {
      if (isMissing(error)) this.#whole = true;
      else this.#warn('read', error);
      return;
    }
    if (!text.includes('\n')) return;
    const whole = text.lastIndexOf('\n') + 1;
    if (!text.startsWith(HEADER)) {
      this.#setAside();
      return;
    }
    for (const entry of text.slice(HEADER.length, whole).split('\n')) this.#apply(entry);
    this.#bytes = whole;
    // What is behind the last newline goes with the next rewriting.
    this.#whole = whole === text.length;
  }

  #apply(entry: string): void {
    const held = parseRetainedRange(entry);
    if (held !== undefined) {
      this.timeline.setRetained(held.stream, held.retained);
      return;
    }
    const [kind, time, stdout, stderr, run] = entry.split(' ');
    const sample = { time: Number(time), stdout: Number(stdout), stderr: Number(stderr) };
    const numbers = [sample.time, sample.stdout, sample.stderr];
    if (!numbers.every((value) => Number.isSafeInteger(value) && value >= 0)) return;
    if (kind === 's' && run === undefined) this.timeline.add(sample);
    else if (kind === 'r' && run !== undefined) this.timeline.beginRun(run, sample);
    else if (kind === 'e' && run !== undefined) this.timeline.endRun(run, sample);
  }

  #setAside(): void {
    const found = 'is not an index this version knows';
    if (this.#options.readOnly) {
      this.#options.onWarning(`${this.#path} ${found}; times of its lines are rough`);
      return;
    }
    this.#try('set aside', () => {
      renameSync(this.#path, `${this.#path}.damaged`);
    });
    this.#options.onWarning(`${this.#path} ${found}; set aside as ${this.#path}.damaged`);
  }

  #append(text: string): void {
    if (this.#options.readOnly) return;
    const entries = this.#bytes === 0 ? HEADER + text : text;
    this.#bytes += entries.length;
    if (this.#bytes > COMPACT_AT_BYTES) {
      this.timeline.thin();
      this.#rewrite();
    } else if (this.#whole) {
      this.#whole = this.#try('write', () => {
        appendFileSync(this.#path, entries, { mode: 0o600 });
      });
    } else this.#rewrite();
  }

  #rewrite(): void {
    const entries: { readonly at: Sample; readonly text: string }[] = [];
    for (let i = 0; i < this.timeline.length; i += 1) {
      const at = this.timeline.at(i);
      if (at !== undefined) entries.push({ at, text: line('s', at) });
    }
    for (const { run, begin, end } of this.timeline.runs) {
      entries.push({ at: begin, text: line('r', begin, run) });
      if (end !== undefined) entries.push({ at: end, text: line('e', end, run) });
    }
    // Sizes grow with time: in any other order a file would seem to have shrunk.
    entries.sort((a, b) => a.at.time - b.at.time || a.at.stdout - b.at.stdout || a.at.stderr - b.at.stderr);
    const text = HEADER + this.#retainedLines() + entries.map((entry) => entry.text).join('');
    this.#bytes = text.length;
    this.#whole = this.#try('write', () => {
      writeFileSync(`${this.#path}.tmp`, text, { mode: 0o600 });
      renameSync(`${this.#path}.tmp`, this.#path);
    });
  }

  #retainedLines(): string {
    return STREAMS.map((stream) => {
      const retained = this.timeline.retained(stream);
      return retained === WHOLE_FILE
        ? ''
        : retainedRangeLine(this.timeline.at(0)?.time ?? 0, stream, retained);
    }).join('');
  }

  #try(doing: string, act: () => void): boolean {
    try {
      act();
      return true;
    } catch (error) {
      this.#warn(doing, error);
      return false;
    }
  }

  #warn(doing: string, error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const why = messageOf(error);
    this.#options.onWarning(`cannot ${doing} the log index ${this.#path}: ${why}`);
  }
}

function line(kind: 's' | 'r' | 'e', sample: Sample, run?: RunId): string {
  const fields = [kind, Math.round(sample.time), sample.stdout, sample.stderr];
  return `${(run === undefined ? fields : [...fields, run]).join(' ')}\n`;
}

function isMissing(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT';
}
