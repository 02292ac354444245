import type { ProjectEvent, ProjectEventBody } from '../../src/core/event.ts';
import type { LogSpec } from '../../src/core/service.ts';
import type { RunRecord } from '../../src/ports/backend.ts';
import type { InstanceLogQuery, LogPaths, LogStore } from '../../src/ports/logs.ts';
import type { ProjectRecord, Store } from '../../src/ports/store.ts';

/** A store that keeps everything in memory, as text, so that what would not survive the disk does not survive here. */
export class MemoryStore implements Store {
  readonly stateDir = '/state';
  readonly told: ProjectEvent[] = [];
  /** While set, writes are refused with this. */
  refuses: string | undefined;
  readonly #runs = new Map<string, string>();
  #project: string | undefined;

  instanceDir(instance: string): string {
    return `/state/instances/${instance}`;
  }

  readProject(): ProjectRecord | undefined {
    return this.#project === undefined ? undefined : (JSON.parse(this.#project) as ProjectRecord);
  }

  writeProject(record: ProjectRecord): void {
    if (this.refuses !== undefined) throw new Error(this.refuses);
    this.#project = JSON.stringify(record);
  }

  readRuns(): { runs: readonly RunRecord[]; damaged: readonly string[] } {
    return { runs: [...this.#runs.values()].map((text) => JSON.parse(text) as RunRecord), damaged: [] };
  }

  writeRun(record: RunRecord): void {
    if (this.refuses !== undefined) throw new Error(this.refuses);
    this.#runs.set(record.instance, JSON.stringify(record));
  }

  removeRun(instance: string): void {
    this.#runs.delete(instance);
  }

  append(
    body: ProjectEventBody,
    at: { readonly service?: string; readonly instance?: string },
  ): ProjectEvent {
    const happening: ProjectEvent = { ...body, ...at, seq: this.told.length + 1, time: 0 };
    this.told.push(happening);
    return happening;
  }

  happenings(limit: number, service?: string): readonly ProjectEvent[] {
    return this.told.filter((h) => service === undefined || h.service === service).slice(-limit);
  }

  /** The types told of one instance, in order. */
  typesOf(instance: string): readonly string[] {
    return this.told.filter((h) => h.instance === instance).map((h) => h.type);
  }
}

interface FedRun {
  readonly lines: { readonly stream: 'stdout' | 'stderr'; readonly text: string }[];
  ended: boolean;
}

/** Logs of services that write nothing but what the test says. */
export class SilentLogs implements LogStore {
  readonly lastLines = new Map<string, readonly string[]>();
  /** How much of each instance's output is to be kept, as it was said last. */
  readonly retained = new Map<string, LogSpec>();
  /** The present run of each instance, and the last one of those that have none. */
  readonly #current = new Map<string, string>();
  readonly #runs = new Map<string, FedRun>();
  readonly #output = new Map<string, Uint8Array[]>();
  readonly #waiting = new Set<() => void>();
  #closed = false;

  paths(instance: string): LogPaths {
    return { stdout: `/state/${instance}/stdout.log`, stderr: `/state/${instance}/stderr.log` };
  }

  beginRun(instance: string, run: string): void {
    this.#current.set(instance, run);
    this.#run(instance, run);
    this.#wake();
  }

  endRun(instance: string, run: string): void {
    this.#run(instance, run).ended = true;
    this.#wake();
  }

  /** Has the present run of an instance write a line, for `runLines` and `output`. */
  write(instance: string, text: string, stream: 'stdout' | 'stderr' = 'stdout'): void {
    const run = this.#current.get(instance);
    if (run === undefined) throw new Error(`${instance} has no run that could write`);
    this.#run(instance, run).lines.push({ stream, text });
    if (stream === 'stdout') this.#chunks(instance).push(Buffer.from(`${text}\n`));
    this.#wake();
  }

  errorTail(instance: string): Promise<readonly string[]> {
    return Promise.resolve(this.lastLines.get(instance) ?? []);
  }

  async *query(_query: InstanceLogQuery): AsyncIterable<never> {
    // Nothing was written.
  }

  async *runLines(
    instance: string,
    run: string,
    stream: 'stdout' | 'stderr' | undefined,
    signal: AbortSignal,
  ): AsyncIterable<string> {
    const fed = this.#run(instance, run);
    for (let next = 0; !signal.aborted && !this.#closed;) {
      const line = fed.lines[next];
      if (line !== undefined) {
        next += 1;
        if (stream === undefined || stream === line.stream) yield line.text;
      } else if (fed.ended) return;
      else await this.#news(signal);
    }
  }

  /** Whole writes: a backlog of 0 begins with the next one, any other with the first. */
  async *output(instance: string, backlogBytes: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const chunks = this.#chunks(instance);
    for (let next = backlogBytes > 0 ? 0 : chunks.length; !signal.aborted && !this.#closed;) {
      const chunk = chunks[next];
      if (chunk === undefined) await this.#news(signal);
      else {
        next += 1;
        yield chunk;
      }
    }
  }

  retain(instance: string, spec: LogSpec): void {
    this.retained.set(instance, spec);
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #run(instance: string, run: string): FedRun {
    const key = `${instance} ${run}`;
    const known = this.#runs.get(key) ?? { lines: [], ended: false };
    this.#runs.set(key, known);
    return known;
  }

  #chunks(instance: string): Uint8Array[] {
    const known = this.#output.get(instance) ?? [];
    this.#output.set(instance, known);
    return known;
  }

  #news(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}
