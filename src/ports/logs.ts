import type { LogLine } from '../core/api.ts';
import type { InstanceId, ServiceId } from '../core/service.ts';
import type { RunId } from '../core/state.ts';

/** The files a run's output goes to. The service writes them itself, appending; nobody is between. */
export interface LogPaths {
  readonly stdout: string;
  readonly stderr: string;
}

export interface LogTarget {
  readonly instance: InstanceId;
  readonly service: ServiceId;
}

/** What is asked of the logs once it is known which instances are meant. */
export interface InstanceLogQuery {
  readonly instances: readonly LogTarget[];
  /**
   * The last n lines of each instance, its streams together; absent: all. Looks back over at most 64 KiB for each
   * line asked for.
   */
  readonly tail?: number;
  /** Go on with what is written later. Has no effect on `previous`, to which nothing is added. */
  readonly follow: boolean;
  /** Epoch ms. */
  readonly since?: number;
  readonly stream?: 'stdout' | 'stderr';
  /** The run before the present one alone; nothing where there was none. */
  readonly previous?: boolean;
}

/** What services have written, as files plus an index that tells when which byte came and where a run began. */
export interface LogStore {
  paths(instance: InstanceId): LogPaths;
  /**
   * To be called before a run's process is started, and for a run taken over from an earlier daemon. Makes the folder
   * (0700) where it is missing, and marks in the index that what is written from now on is of
   * this run; a run that is marked already stays as it is. Samples the files until `endRun`. Never throws: what the
   * disk refuses is told as a warning.
   */
  beginRun(instance: InstanceId, run: RunId): void;
  /** Marks the end of a run, once nothing of it is left that could write. */
  endRun(instance: InstanceId, run: RunId): void;
  /**
   * The last lines that a run wrote to its stderr, at most `maxLines` lines and `maxBytes` bytes of them, an unfinished
   * last line included; a first line that is too long is cut at its beginning, between characters. Invalid UTF-8 is
   * replaced. Empty where the run is not known. Never rejects.
   */
  errorTail(instance: InstanceId, run: RunId, maxLines: number, maxBytes: number): Promise<readonly string[]>;
  /**
   * Lines ordered by time, then instance, then stream, then place in the file. Ends when all was read or, following,
   * when `signal` aborts or the store is closed. Reads only as fast as it is iterated; a follower that falls more
   * than 8 MiB behind a file is moved on, and the next line says how many bytes were left out. A line that is not
   * finished yet is held back while following, until it is, its run ends, or it is over 64 KiB.
   */
  query(query: InstanceLogQuery, signal: AbortSignal): AsyncIterable<LogLine>;
  /** Ends what follows and stops watching. The files stay. */
  close(): void;
}
