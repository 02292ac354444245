import type { Happening, HappeningBody } from '../../src/core/event.ts';
import type { RunRecord } from '../../src/ports/backend.ts';
import type { InstanceLogQuery, LogPaths, LogStore } from '../../src/ports/logs.ts';
import type { ProjectRecord, Store } from '../../src/ports/store.ts';

/** A store that keeps everything in memory, as text, so that what would not survive the disk does not survive here. */
export class MemoryStore implements Store {
  readonly stateDir = '/state';
  readonly told: Happening[] = [];
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

  append(body: HappeningBody, at: { readonly service?: string; readonly instance?: string }): Happening {
    const happening: Happening = { ...body, ...at, seq: this.told.length + 1, time: 0 };
    this.told.push(happening);
    return happening;
  }

  happenings(limit: number, service?: string): readonly Happening[] {
    return this.told.filter((h) => service === undefined || h.service === service).slice(-limit);
  }

  /** The types told of one instance, in order. */
  typesOf(instance: string): readonly string[] {
    return this.told.filter((h) => h.instance === instance).map((h) => h.type);
  }
}

/** Logs of services that write nothing but what the test says. */
export class SilentLogs implements LogStore {
  readonly lastLines = new Map<string, readonly string[]>();

  paths(instance: string): LogPaths {
    return { stdout: `/state/${instance}/stdout.log`, stderr: `/state/${instance}/stderr.log` };
  }

  beginRun(): void {}

  endRun(): void {}

  errorTail(instance: string): Promise<readonly string[]> {
    return Promise.resolve(this.lastLines.get(instance) ?? []);
  }

  async *query(_query: InstanceLogQuery): AsyncIterable<never> {
    // Nothing was written.
  }

  close(): void {}
}
