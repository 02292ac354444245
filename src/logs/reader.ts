import type { LogLine } from '../core/api.ts';
import type { InstanceId } from '../core/service.ts';
import type { InstanceLogQuery } from '../ports/logs.ts';
import type { LogAccess } from './access.ts';
import { takeMerged } from './merge.ts';
import { planInstance, readRefused } from './plan-sources.ts';
import { Scratch } from './source.ts';
import type { Source } from './source.ts';

/** What all sources of a reader may load at once, as far as chunks of a useful size allow. */
const ROOM_BYTES = 8 * 1024 * 1024;
const LARGEST_CHUNK_BYTES = 128 * 1024;
const SMALLEST_CHUNK_BYTES = 32 * 1024;

/**
 * The lines a query asks for. Works in rounds: what is in the files when a round begins is merged by time; a follower then
 * waits until some file has news and does a round over those that have. Nothing is read before it is asked for.
 */
export class LogReader implements AsyncIterableIterator<LogLine> {
  readonly #query: InstanceLogQuery;
  readonly #access: LogAccess;
  readonly #signal: AbortSignal;
  readonly #sources: Source[] = [];
  readonly #surplus = new Map<InstanceId, number>();
  readonly #news = new Set<InstanceId>();
  #scratch: Scratch | undefined;
  /** The sources of the present round that are not read to its end. */
  #active: Source[] = [];
  /** The instances of the round before. */
  #busy = new Set<InstanceId>();
  #batch: LogLine[] = [];
  #given = 0;
  #begun = false;
  #ended = false;
  #filling: Promise<void> | undefined;
  #unfollow: () => void = () => undefined;
  #wakeUp: () => void = () => undefined;

  constructor(query: InstanceLogQuery, access: LogAccess, signal: AbortSignal) {
    this.#query = query;
    this.#access = access;
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LogLine, undefined>> {
    const line = this.#ended ? undefined : this.#batch[this.#given];
    if (line === undefined) return this.#nextAfterFilling();
    this.#given += 1;
    return Promise.resolve({ value: line, done: false });
  }

  return(): Promise<IteratorResult<LogLine, undefined>> {
    this.#end();
    return Promise.resolve({ value: undefined, done: true });
  }

  async #nextAfterFilling(): Promise<IteratorResult<LogLine, undefined>> {
    for (;;) {
      if (this.#ended) return { value: undefined, done: true };
      const line = this.#batch[this.#given];
      if (line !== undefined) {
        this.#given += 1;
        return { value: line, done: false };
      }
      this.#filling ??= this.#fill().finally(() => (this.#filling = undefined));
      await this.#filling;
    }
  }

  async #fill(): Promise<void> {
    this.#batch = [];
    this.#given = 0;
    if (!this.#begun) await this.#begin();
    while (!this.#ended) {
      await this.#loadActive();
      takeMerged(this.#active, (line, source) => this.#put(line, source));
      if (this.#batch.length > 0) return;
      if (this.#active.length > 0) continue;
      if (!this.#query.follow || this.#query.previous === true) {
        this.#end();
        return;
      }
      await this.#nextRound();
    }
  }

  async #begin(): Promise<void> {
    this.#begun = true;
    if (this.#signal.aborted) {
      this.#end();
      return;
    }
    this.#signal.addEventListener('abort', this.#end, { once: true });
    const targets = [...this.#query.instances].sort((a, b) => compare(a.instance, b.instance));
    if (this.#query.follow) {
      // Before the first look, so that nothing falls between it and the following.
      this.#unfollow = this.#access.follow(
        targets.map(({ instance }) => instance),
        { wake: (instance) => this.#wake(instance), close: this.#end },
      );
    }
    for (const target of targets) {
      const log = this.#access.look(target.instance);
      const plan = await planInstance(target, log, this.#query, this.#access.onWarning);
      if (this.#ended) return;
      this.#sources.push(...plan.sources);
      this.#surplus.set(target.instance, plan.surplus);
    }
    this.#active = this.#sources.filter((source) => source.pending);
  }

  async #loadActive(): Promise<void> {
    if (this.#active.length === 0) return;
    const count = Math.max(1, this.#sources.length);
    const chunk = Math.max(
      SMALLEST_CHUNK_BYTES,
      Math.min(LARGEST_CHUNK_BYTES, Math.floor(ROOM_BYTES / count)),
    );
    this.#scratch ??= new Scratch(chunk);
    const ready: Source[] = [];
    for (const source of this.#active) {
      while (source.taken >= source.lines.length && source.pending && !this.#ended) {
        try {
          await source.load(this.#scratch);
        } catch (error) {
          this.#access.onWarning(readRefused(source.path, error));
          source.giveUp();
        }
      }
      if (source.taken < source.lines.length) ready.push(source);
    }
    this.#active = ready;
  }

  #put(line: LogLine, source: Source): void {
    if (source.goesOn) {
      this.#batch.push(line);
      return;
    }
    const surplus = this.#surplus.get(source.instance) ?? 0;
    if (surplus > 0) {
      // The pieces of a line count once, with the last.
      if (line.partial !== true) this.#surplus.set(source.instance, surplus - 1);
      return;
    }
    if (this.#query.since === undefined || line.time >= this.#query.since) this.#batch.push(line);
  }

  async #nextRound(): Promise<void> {
    // Who wrote a moment ago is likely to have written more, and is looked at before anything is waited for.
    const instances = new Set([...this.#news, ...this.#busy]);
    if (instances.size === 0) {
      // An idle follower keeps no room for reading.
      this.#scratch = undefined;
      await new Promise<void>((resolve) => (this.#wakeUp = resolve));
      return;
    }
    this.#news.clear();
    for (const instance of instances) {
      const { seen } = this.#access.look(instance);
      for (const source of this.#sources) {
        if (source.instance === instance) source.extend(seen[source.stream].size);
      }
    }
    this.#active = this.#sources.filter((source) => instances.has(source.instance) && source.pending);
    this.#busy = new Set(this.#active.map((source) => source.instance));
  }

  #wake(instance: InstanceId): void {
    this.#news.add(instance);
    this.#wakeUp();
  }

  readonly #end = (): void => {
    if (this.#ended) return;
    this.#ended = true;
    this.#batch = [];
    this.#signal.removeEventListener('abort', this.#end);
    this.#unfollow();
    this.#wakeUp();
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
