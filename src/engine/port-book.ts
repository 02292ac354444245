import { instanceId, type ServiceId, type ServiceSpec } from '../core/service.ts';

/**
 * The automatic ports that were handed out. An instance keeps its port over restarts, and over daemons, so that what
 * refers to it stays true.
 */
export class PortBook {
  readonly #numbers: Map<string, number>;
  readonly #freePort: () => Promise<number>;
  readonly #changed: () => void;

  constructor(known: Readonly<Record<string, number>>, freePort: () => Promise<number>, changed: () => void) {
    this.#numbers = new Map(Object.entries(known));
    this.#freePort = freePort;
    this.#changed = changed;
  }

  /** The number of a service's port for its n-th instance; undefined where it has none of that name, or none yet. */
  lookup(spec: ServiceSpec | undefined, number: number, port: string): number | undefined {
    const declared = spec?.launch.ports.find((p) => p.name === port);
    if (spec === undefined || declared === undefined) return undefined;
    return declared.port === 'auto'
      ? this.#numbers.get(key(spec.id, number, port))
      : declared.port + number - 1;
  }

  /** Hands out what an instance lacks. */
  async allot(spec: ServiceSpec, number: number): Promise<void> {
    for (const { name, port } of spec.launch.ports) {
      const at = key(spec.id, number, name);
      if (port === 'auto' && !this.#numbers.has(at)) {
        this.#numbers.set(at, await this.#unusedPort());
        this.#changed();
      }
    }
  }

  /** Takes an instance's automatic ports back because somebody else has one of them. True where it had any. */
  withdraw(spec: ServiceSpec, number: number): boolean {
    let any = false;
    for (const { name } of spec.launch.ports) any = this.#numbers.delete(key(spec.id, number, name)) || any;
    if (any) this.#changed();
    return any;
  }

  entries(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#numbers].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** The kernel may offer a port again before its first owner has bound it. */
  async #unusedPort(): Promise<number> {
    const taken = new Set(this.#numbers.values());
    for (let tries = 0; tries < 50; tries += 1) {
      const port = await this.#freePort();
      if (!taken.has(port)) return port;
    }
    throw new Error('the system offers no free port');
  }
}

function key(service: ServiceId, number: number, port: string): string {
  return `${instanceId(service, number)}/${port}`;
}
