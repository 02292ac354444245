import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { InstanceId } from '../core/service.ts';
import type { RunId } from '../core/state.ts';
import type { LogPaths } from '../ports/logs.ts';
import type { FileState } from './files.ts';
import { NO_FILE, stateOf } from './files.ts';
import { IndexFile } from './index-file.ts';
import type { Sample, Stream, Timeline } from './timeline.ts';

export const STDOUT_FILE = 'stdout.log';
export const STDERR_FILE = 'stderr.log';
const INDEX_FILE = 'log.index';

interface InstanceLogOptions {
  /** For a reader without a daemon: nothing is written. */
  readonly readOnly: boolean;
  /** Epoch ms. */
  readonly wall: () => number;
  readonly onWarning: (message: string) => void;
}

/** Both files as they were at one look. */
export interface Look {
  /** Epoch ms. */
  readonly time: number;
  readonly stdout: FileState;
  readonly stderr: FileState;
}

/** The output of one instance: its two files and their index. */
export class InstanceLog {
  readonly dir: string;
  readonly paths: LogPaths;
  readonly #index: IndexFile;
  readonly #options: InstanceLogOptions;
  #look: Look | undefined;
  /**
   * Whether changes are looked at as soon as they happen: what is new at a look was written just then. Otherwise it may
   * have been written at any time since the look before.
   */
  watched = false;

  constructor(dir: string, options: InstanceLogOptions) {
    this.dir = dir;
    this.paths = logPathsIn(dir);
    this.#options = options;
    this.#index = new IndexFile(join(dir, INDEX_FILE), options);
  }

  get timeline(): Timeline {
    return this.#index.timeline;
  }

  /** Makes the folder, for its owner alone. The files are made by whoever hands them to the service. */
  makeDir(): void {
    try {
      mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#options.onWarning(`cannot make the folder ${this.dir}: ${why}`);
    }
  }

  /** The last look, without taking another one. */
  get seen(): Look {
    return this.#look ?? { time: this.#options.wall(), stdout: NO_FILE, stderr: NO_FILE };
  }

  /** Looks at the files and adds to the index what has changed; answers whether something has. */
  check(): boolean {
    let before = this.#look ?? this.#fromIndex();
    const now = Math.max(this.#options.wall(), before.time);
    const look: Look = { time: now, stdout: stateOf(this.paths.stdout), stderr: stateOf(this.paths.stderr) };
    this.#look = look;
    const changed = STREAMS.filter((stream) => {
      const { size, inode } = look[stream];
      return size !== before[stream].size || isOther(inode, before[stream].inode);
    });
    if (changed.length === 0) return false;
    for (const stream of changed) {
      if (!isOther(look[stream].inode, before[stream].inode)) continue;
      this.#index.forgetContent(stream);
      before = { ...before, [stream]: NO_FILE };
    }
    this.#index.add(samplesOf(before, look, changed, this.watched));
    return true;
  }

  beginRun(run: RunId): void {
    this.check();
    if (this.timeline.runs.at(-1)?.run === run) return;
    this.#index.beginRun(run, this.#sampleNow());
  }

  endRun(run: RunId): void {
    this.check();
    const last = this.timeline.runs.at(-1);
    if (last?.run === run && last.end === undefined) this.#index.endRun(run, this.#sampleNow());
  }

  #sampleNow(): Sample {
    const { time, stdout, stderr } = this.seen;
    return { time, stdout: stdout.size, stderr: stderr.size };
  }

  /** What an earlier daemon saw last. Its inode is not known, and taken to be what is there now. */
  #fromIndex(): Look {
    const last = this.timeline.at(-1) ?? { time: 0, stdout: 0, stderr: 0 };
    const state = (size: number): FileState => ({ size, inode: 0, modifiedAt: last.time });
    return { time: last.time, stdout: state(last.stdout), stderr: state(last.stderr) };
  }
}

const STREAMS: readonly Stream[] = ['stdout', 'stderr'];

/** The folder of an instance's records and logs. */
export function instanceDirIn(stateDir: string, instance: InstanceId): string {
  return join(stateDir, 'instances', instance);
}

export function logPathsIn(dir: string): LogPaths {
  return { stdout: join(dir, STDOUT_FILE), stderr: join(dir, STDERR_FILE) };
}

function isOther(inode: number, before: number): boolean {
  return before !== 0 && inode !== before;
}

/**
 * A change as samples, each stream's at the time its file was written last, the earlier one first. The file system's
 * clock is trusted only between the two looks.
 */
function samplesOf(before: Look, look: Look, changed: readonly Stream[], watched: boolean): Sample[] {
  const changes = changed
    .map((stream) => ({
      stream,
      time: Math.min(Math.max(look[stream].modifiedAt, before.time), look.time),
    }))
    .sort((a, b) => a.time - b.time);
  let sizes = { stdout: before.stdout.size, stderr: before.stderr.size };
  // Time 0 is that of no look at all: nothing is known to have been written after it.
  const samples: Sample[] = watched || before.time === 0 ? [] : [{ time: before.time, ...sizes }];
  for (const { stream, time } of changes) {
    if (watched) samples.push({ time, ...sizes });
    sizes = { ...sizes, [stream]: look[stream].size };
    if (watched) samples.push({ time, ...sizes });
  }
  const last = changes.at(-1)?.time ?? look.time;
  if (!watched) samples.push({ time: last, ...sizes });
  return samples;
}
