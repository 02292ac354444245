import type { StartFailure } from '../../core/exit.ts';
import type { ConcreteLaunch } from '../../core/launch.ts';
import { escapeControl } from '../../core/redact.ts';
import { err, type Result } from '../../core/util/result.ts';
import type { Backend } from '../../ports/backend.ts';
import type { Clock } from '../../ports/clock.ts';

export const GIVEN_UP: StartFailure = { code: 'other', message: 'given up before the start was through' };

/** At most this often a progress is told; the last one is always. */
const TELL_MS = 250;
const MAX_PROGRESS = 120;

export interface LaunchPreparationHost {
  readonly backend: Pick<Backend, 'materialise'>;
  readonly clock: Clock;
  /** Called when `progress` is another. */
  changed(): void;
  readonly masked: (text: string) => string;
}

/** Brings about what launches of one instance need, one at a time; can be given up at any moment, then at once. */
export class LaunchPreparation {
  readonly #host: LaunchPreparationHost;
  #progress: string | undefined;
  #controller: AbortController | undefined;
  #disarm: (() => void) | undefined;
  #news = false;

  constructor(host: LaunchPreparationHost) {
    this.#host = host;
  }

  /** What is being done at the moment: "pulling postgres:16 45 %". */
  get progress(): string | undefined {
    return this.#progress;
  }

  /** Gives up what is under way for another launch. Never rejects. */
  async run(launch: ConcreteLaunch): Promise<Result<void, StartFailure>> {
    this.giveUp();
    const { backend, masked } = this.#host;
    if (backend.materialise === undefined) return { ok: true, value: undefined };
    const controller = new AbortController();
    const { signal } = controller;
    this.#controller = controller;
    const givenUp = new Promise<Result<void, StartFailure>>((resolve) => {
      signal.addEventListener('abort', () => resolve(err(GIVEN_UP)), { once: true });
    });
    const tell = (text: string): void => {
      if (this.#controller === controller) this.#tell(escapeControl(masked(text.trim()), MAX_PROGRESS));
    };
    // A backend may take a while to notice; nobody waits for that.
    const outcome = await Promise.race([backend.materialise(launch, tell, signal), givenUp]);
    if (this.#controller === controller) this.#end();
    return outcome.ok || signal.aborted
      ? outcome
      : err({ ...outcome.error, message: masked(outcome.error.message) });
  }

  giveUp(): void {
    const controller = this.#controller;
    if (controller === undefined) return;
    this.#end();
    controller.abort();
  }

  #end(): void {
    this.#controller = undefined;
    this.#disarm?.();
    this.#disarm = undefined;
    this.#news = false;
    if (this.#progress === undefined) return;
    this.#progress = undefined;
    this.#host.changed();
  }

  #tell(text: string): void {
    if (text === '' || text === this.#progress) return;
    this.#progress = text;
    this.#news = true;
    if (this.#disarm === undefined) this.#pass();
  }

  #pass(): void {
    this.#disarm = undefined;
    if (!this.#news) return;
    this.#news = false;
    this.#disarm = this.#host.clock.after(TELL_MS, () => this.#pass());
    this.#host.changed();
  }
}
