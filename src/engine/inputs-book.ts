import { canonicalJson } from '../core/fingerprint.ts';
import type { LaunchSpec, ServiceSpec } from '../core/service.ts';
import type { Backend } from '../ports/backend.ts';
import type { Clock } from '../ports/clock.ts';

/** Longer than this no plan waits for what launches are made from; what was last known of it counts then. */
const PATIENCE_MS = 5_000;

/**
 * What launches are made from besides the manifest, as it was when it was last looked at: a plan looks, and what is
 * launched by that plan is launched as it was seen then.
 */
export class InputsBook {
  readonly #backend: Pick<Backend, 'inputs'>;
  readonly #clock: Clock;
  readonly #digests = new Map<string, string>();

  constructor(backend: Pick<Backend, 'inputs'>, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
  }

  /** The digest for a service's launch, as it is known now. */
  of({ launch }: Pick<ServiceSpec, 'launch'>): string | undefined {
    const key = keyOf(launch);
    return key === undefined ? undefined : this.#digests.get(key);
  }

  /** What an earlier daemon launched a service with: nothing is replaced for not having been looked at yet. */
  seed({ launch }: Pick<ServiceSpec, 'launch'>, digest: string): void {
    const key = keyOf(launch);
    if (key !== undefined && !this.#digests.has(key)) this.#digests.set(key, digest);
  }

  /** PollingProbe anew; what takes too long, or cannot be told, stays as it was known. Never rejects. */
  async look(specs: readonly Pick<ServiceSpec, 'launch'>[]): Promise<void> {
    const launches = new Map<string, LaunchSpec>();
    for (const { launch } of specs) {
      const key = keyOf(launch);
      if (key !== undefined) launches.set(key, launch);
    }
    if (launches.size === 0 || this.#backend.inputs === undefined) return;
    const all = Promise.all([...launches].map(([key, launch]) => this.#lookAt(key, launch)));
    let disarm: () => void = () => {};
    const late = new Promise<void>((resolve) => (disarm = this.#clock.after(PATIENCE_MS, resolve)));
    await Promise.race([all, late]);
    disarm();
  }

  /** PollingProbe where nothing is known yet. */
  async lookOnce(spec: Pick<ServiceSpec, 'launch'>): Promise<void> {
    if (this.of(spec) === undefined) await this.look([spec]);
  }

  async #lookAt(key: string, launch: LaunchSpec): Promise<void> {
    const digest = await this.#backend.inputs?.(launch);
    if (digest !== undefined) this.#digests.set(key, digest);
  }
}

/** Services that are made from the same have the same; undefined where there is nothing but the manifest. */
function keyOf({ backend, settings, container }: LaunchSpec): string | undefined {
  const from = settings?.values ?? container?.build;
  return from === undefined ? undefined : `${backend} ${canonicalJson(from)}`;
}
