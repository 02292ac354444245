/** Told what is going on. */
export type Progress = (text: string) => void;

interface Running<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  readonly listeners: Set<Progress>;
  waiting: number;
}

/** Work that several ask for at the same time and that is done once; it is given up when nobody waits for it any more. */
export class SharedJobs<T> {
  readonly #running = new Map<string, Running<T>>();

  /** Resolves with the work's result, or with undefined as soon as `signal` is aborted. `work` must not reject. */
  async join(
    key: string,
    progress: Progress,
    signal: AbortSignal,
    work: (progress: Progress, signal: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    if (signal.aborted) return undefined;
    const job = this.#running.get(key) ?? this.#begin(key, work);
    const listener: Progress = (text) => progress(text);
    job.listeners.add(listener);
    job.waiting += 1;
    let leave: () => void = () => undefined;
    const left = new Promise<undefined>((resolve) => {
      leave = () => resolve(undefined);
      signal.addEventListener('abort', leave, { once: true });
    });
    const result = await Promise.race([job.result, left]);
    signal.removeEventListener('abort', leave);
    job.listeners.delete(listener);
    job.waiting -= 1;
    if (job.waiting === 0) {
      job.controller.abort();
      if (this.#running.get(key) === job) this.#running.delete(key);
    }
    return result;
  }

  #begin(key: string, work: (progress: Progress, signal: AbortSignal) => Promise<T>): Running<T> {
    const controller = new AbortController();
    const listeners = new Set<Progress>();
    const tell: Progress = (text) => {
      for (const listener of listeners) listener(text);
    };
    // A moment later, so that whoever began it hears it all.
    const result = Promise.resolve().then(() => work(tell, controller.signal));
    const job = { result, controller, listeners, waiting: 0 };
    this.#running.set(key, job);
    return job;
  }
}
