import type { LogLine } from '../core/api.ts';
import type { InstanceId } from '../core/service.ts';
import type { RunId } from '../core/state.ts';
import type { InstanceLogQuery, LogPaths, LogStore } from '../ports/logs.ts';
import type { HubOptions } from './hub.ts';
import { LogHub } from './hub.ts';
import { instanceDirIn, logPathsIn } from './instance-log.ts';
import { reader } from './plan-sources.ts';
import { LogReader } from './reader.ts';
import { continuationBytes } from './split.ts';

export interface LogStoreOptions {
  readonly stateDir: string;
  /** Told, in a sentence, of what does not work as it should. */
  readonly onWarning: (message: string) => void;
  /** Epoch ms; the machine's clock unless a test brings its own. */
  readonly wall?: () => number;
  readonly watchDir?: HubOptions['watchDir'];
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
  ): Promise<readonly string[]> {
    const log = this.#hub.look(instance);
    const range = log.timeline.rangeOf(run, 'stderr');
    if (range === undefined || maxLines <= 0) return [];
    const to = Math.min(range.to ?? Infinity, log.seen.stderr.size);
    const from = Math.max(range.from, to - maxBytes);
    const bytes = await reader(log.paths.stderr, this.#hub.onWarning)(from, to);
    const cut = from > range.from ? continuationBytes(bytes) : 0;
    const lines = bytes.toString('utf8', cut).split('\n');
    if (lines.at(-1) === '') lines.pop();
    return lines.slice(-maxLines).map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  }

  query(query: InstanceLogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    return new LogReader(query, this.#hub, signal);
  }

  close(): void {
    this.#hub.close();
  }
}
