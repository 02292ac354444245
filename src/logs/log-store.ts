import type { LogLine } from '../core/api.ts';
import type { InstanceId, LogSpec } from '../core/service.ts';
import type { RunId } from '../core/state.ts';
import type { InstanceLogQuery, LogPaths, LogStore } from '../ports/logs.ts';
import type { HubOptions } from './hub.ts';
import { LogHub } from './hub.ts';
import { instanceDirIn, logPathsIn } from './instance-log.ts';
import { readOutput } from './output-reader.ts';
import { reader } from './plan-sources.ts';
import { LogReader } from './reader.ts';
import { readRun } from './run-reader.ts';
import { continuationBytes } from './split.ts';
import type { Stream } from './timeline.ts';

export interface LogStoreOptions {
  readonly stateDir: string;
  /** Told, in a sentence, of what does not work as it should. */
  readonly onWarning: (message: string) => void;
  /** Epoch ms; the machine's clock unless a test brings its own. */
  readonly wall?: () => number;
  readonly watchDir?: HubOptions['watchDir'];
  readonly punch?: HubOptions['punch'];
}

/** The log store of a daemon: the only one that writes the index. */
export function createLogStore(options: LogStoreOptions): LogStore {
  return new FileLogStore(options);
}

class FileLogStore implements LogStore {
  readonly #stateDir: string;
  readonly #hub: LogHub;

  constructor(options: LogStoreOptions) {
    this.#stateDir = options.stateDir;
    this.#hub = new LogHub({
      dirOf: (instance) => instanceDirIn(options.stateDir, instance),
      wall: options.wall ?? Date.now,
      onWarning: options.onWarning,
      ...(options.watchDir === undefined ? {} : { watchDir: options.watchDir }),
      ...(options.punch === undefined ? {} : { punch: options.punch }),
    });
  }

  paths(instance: InstanceId): LogPaths {
    return logPathsIn(instanceDirIn(this.#stateDir, instance));
  }

  beginRun(instance: InstanceId, run: RunId): void {
    const log = this.#hub.look(instance);
    log.makeDir();
    log.beginRun(run);
    this.#hub.setLive(instance, true);
  }

  endRun(instance: InstanceId, run: RunId): void {
    this.#hub.look(instance).endRun(run);
    this.#hub.setLive(instance, false);
  }

  async errorTail(
    instance: InstanceId,
    run: RunId,
    maxLines: number,
    maxBytes: number,
    stream: 'stdout' | 'stderr' = 'stderr',
  ): Promise<readonly string[]> {
    const log = this.#hub.look(instance);
    const range = log.timeline.rangeOf(run, stream);
    if (range === undefined || maxLines <= 0) return [];
    const to = Math.min(range.to ?? Infinity, log.seen[stream].size);
    const first = Math.max(range.from, log.timeline.retained(stream).start);
    const from = Math.max(first, to - maxBytes);
    const bytes = await reader(log, stream, this.#hub.onWarning)(from, to);
    // What it said last was cut off while it was read: there is more to be read now.
    if (log.timeline.retained(stream).start > from)
      return this.errorTail(instance, run, maxLines, maxBytes, stream);
    const cut = from > first ? continuationBytes(bytes) : 0;
    const lines = bytes.toString('utf8', cut).split('\n');
    if (lines.at(-1) === '') lines.pop();
    return lines.slice(-maxLines).map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  }

  query(query: InstanceLogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    return new LogReader(query, this.#hub, signal);
  }

  runLines(
    instance: InstanceId,
    run: RunId,
    stream: Stream | undefined,
    signal: AbortSignal,
  ): AsyncIterable<string> {
    return readRun(this.#hub, instance, run, stream, signal);
  }

  output(instance: InstanceId, backlogBytes: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return readOutput(this.#hub, instance, backlogBytes, signal);
  }

  retain(instance: InstanceId, spec: LogSpec): void {
    this.#hub.retain(instance, spec);
  }

  close(): void {
    this.#hub.close();
  }
}
