import type { LogLine, LogPlace } from '../core/api.ts';
import type { InstanceId, LogSpec, ServiceId } from '../core/service.ts';
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
  /** These streams begin with the line after that place, whatever `tail` and `since` say. */
  readonly after?: readonly LogPlace[];
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
   * The last lines that a run wrote to its stderr (or to another stream, where that is where its errors go), at most `maxLines` lines and `maxBytes` bytes of them, an unfinished
   * last line included; a first line that is too long is cut at its beginning, between characters. Invalid UTF-8 is
   * replaced. Empty where the run is not known. Never rejects.
   */
  errorTail(
    instance: InstanceId,
    run: RunId,
    maxLines: number,
    maxBytes: number,
    stream?: 'stdout' | 'stderr',
  ): Promise<readonly string[]>;
  /**
   * Lines ordered by time, then instance, then stream, then place in the file. Ends when all was read or, following,
   * when `signal` aborts or the store is closed. Reads only as fast as it is iterated; a follower that falls more
   * than 8 MiB behind a file is moved on, and the next line says how many bytes were left out. A line that is not
   * finished yet is held back while following, until it is, its run ends, or it is over 64 KiB. What `retain` has moved
   * to archives is not read.
   */
  query(query: InstanceLogQuery, signal: AbortSignal): AsyncIterable<LogLine>;
  /**
   * The lines of one run from its beginning on, following until it ends; without order between its streams. A line
   * over 64 KiB comes in pieces. Ends when `signal` aborts. For log probes: bounded in memory however fast it is written,
   * and read as fast as it is iterated with nothing left out. What `retain` would cut off waits for such a reader, up to
   * 64 MiB; beyond that, and where the run's beginning is cut off already, it goes on with what is left. A run that has
   * not begun is waited for.
   */
  runLines(
    instance: InstanceId,
    run: RunId,
    stream: 'stdout' | 'stderr' | undefined,
    signal: AbortSignal,
  ): AsyncIterable<string>;
  /**
   * The bytes of an instance's standard output as they were written, from at most `backlogBytes` before its end on,
   * following until `signal` aborts. A reader that is too slow is moved on, as in `query`.
   */
  output(instance: InstanceId, backlogBytes: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * How much of an instance's output to keep from now on. When a stream holds more than `maxSize` bytes, its beginning is
   * moved to archives beside the file (`stdout.log.1` the newest, plain files), or dropped with `keep` 0, without
   * stopping the service; half of `maxSize` stays. The file then begins with a hole: its size goes on growing, the room it
   * takes does not; the next run begins a new one. Where no holes can be made, files are cut between runs alone; that
   * is told as a warning once. On a full disk what cannot be archived is dropped, and told; for any other refusal of the
   * disk it stays, is told, and is tried again. Never throws.
   */
  retain(instance: InstanceId, spec: LogSpec): void;
  /** Ends what follows and stops watching. The files stay. */
  close(): void;
}
