import type { StartFailure } from '../../src/core/exit.ts';
import { err, ok, type Result } from '../../src/core/util/result.ts';
import type { AdoptRequest, Proc, StartedProc, StartRequest } from '../../src/ports/backend.ts';
import { FakeBackend, FakeProc } from '../rig/fake-backend.ts';
import { MemoryStore } from '../rig/memory-store.ts';

/** What lives on when a daemon dies. */
export interface World {
  readonly units: FakeProc[];
  /** Instances whose next starts fail so. */
  readonly failures: Map<string, StartFailure>;
}

const never = new Promise<never>(() => undefined);

/** One daemon's view of the world; once it has died, it starts, signals and learns nothing any more. */
export class DyingBackend extends FakeBackend {
  readonly #world: World;
  readonly #onStart: (instance: string) => void;
  #dead = false;

  constructor(world: World, onStart: (instance: string) => void) {
    super();
    this.#world = world;
    this.#onStart = onStart;
  }

  die(): void {
    this.#dead = true;
  }

  override start(request: StartRequest): Promise<Result<StartedProc, StartFailure>> {
    if (this.#dead) return never;
    const failure = this.#world.failures.get(request.instance);
    if (failure !== undefined) return Promise.resolve(err(failure));
    this.#onStart(request.instance);
    const unit = new FakeProc(request.run, request.instance, 1_000 + this.#world.units.length, request);
    this.#world.units.push(unit);
    return Promise.resolve(ok({ proc: this.#view(unit) }));
  }

  override adopt(requests: readonly AdoptRequest[]): Promise<readonly Proc[]> {
    return Promise.resolve(
      requests.map(({ record }) => {
        const unit = this.#world.units.find(({ run }) => run === record.run);
        if (unit !== undefined) return this.#view(unit);
        const missing = new FakeProc(record.run, record.instance, 0);
        missing.end({ kind: 'unknown', why: 'it never began' });
        return missing;
      }),
    );
  }

  #view(unit: FakeProc): Proc {
    const alive = <T>(answer: Promise<T>): Promise<T> =>
      new Promise((resolve) => {
        void answer.then((value) => {
          if (!this.#dead) resolve(value);
        });
      });
    return {
      run: unit.run,
      exited: alive(unit.exited),
      gone: alive(unit.gone),
      pid: () => unit.pid(),
      signal: (signal) => (this.#dead ? never : unit.signal(signal)),
      members: () => alive(unit.members()),
      stats: () => alive(unit.stats()),
    };
  }
}

/** A store whose content outlives the daemon that wrote it; what that daemon would still write is lost. */
export class DyingStore extends MemoryStore {
  #dead = false;

  /** The store that the next daemon finds. */
  die(): DyingStore {
    const next = new DyingStore();
    next.told.push(...this.told);
    const known = this.readProject();
    if (known !== undefined) next.writeProject(known);
    for (const record of this.readRuns().runs) next.writeRun(record);
    this.#dead = true;
    return next;
  }

  override writeProject(...args: Parameters<MemoryStore['writeProject']>): void {
    if (!this.#dead) super.writeProject(...args);
  }

  override writeRun(...args: Parameters<MemoryStore['writeRun']>): void {
    if (!this.#dead) super.writeRun(...args);
  }
}
