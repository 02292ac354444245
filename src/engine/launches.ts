import type { StartFailure } from '../core/exit.ts';
import { concreteLaunch, type TextContext } from '../core/launch.ts';
import { launchContext, launchRecord, type ProjectContext } from '../core/project-plan.ts';
import { err, ok, type Result } from '../core/util/result.ts';
import type { ServiceSpec } from '../core/service.ts';
import type { Backend } from '../ports/backend.ts';
import type { Clock } from '../ports/clock.ts';
import { type Fleet, type LoadedProject, redactorOf } from './fleet.ts';
import { InputsBook } from './inputs-book.ts';
import { PortBook } from './port-book.ts';
import type { ProjectMemory } from './project-memory.ts';
import type { PreparedLaunch } from './instance/engine-view.ts';

export interface LaunchesPorts {
  readonly backend: Pick<Backend, 'inputs'>;
  readonly clock: Clock;
  readonly freePort: () => Promise<number>;
}

/**
 * What launches are resolved under, and the launches themselves: the numbers of automatic ports, what launches are made
 * from besides the manifest, and the project with its environment.
 */
export class Launches {
  readonly #fleet: Fleet;
  readonly #memory: ProjectMemory;
  readonly #book: PortBook;
  readonly #inputs: InputsBook;

  constructor({ backend, clock, freePort }: LaunchesPorts, fleet: Fleet, memory: ProjectMemory) {
    this.#fleet = fleet;
    this.#memory = memory;
    this.#inputs = new InputsBook(backend, clock);
    this.#book = new PortBook(memory.record.ports, freePort, () =>
      memory.remember({ ports: this.#book.entries() }),
    );
  }

  /** For the present project, or for one that may become it. */
  contextOf(of: LoadedProject): ProjectContext {
    const { loaded, specs: present, redactor } = this.#fleet;
    const specs = of === loaded ? present : new Map(of.project.services.map((s) => [s.id, s]));
    return {
      hostEnv: of.hostEnv,
      redactor: of === loaded ? redactor : redactorOf(of),
      salt: this.#memory.record.salt,
      port: (service, number, name) => this.#book.lookup(specs.get(service), number, name),
      services: specs,
      inputs: (spec) => this.#inputs.of(spec),
      ...(of.project.resources === undefined ? {} : { resources: of.project.resources }),
    };
  }

  /** Hands out what these lack of automatic ports and looks anew at what they are made from. Rejects without a free port. */
  async lookAt(specs: readonly ServiceSpec[]): Promise<void> {
    for (const spec of specs) {
      for (let n = 1; n <= spec.replicas; n += 1) await this.#book.allot(spec, n);
    }
    await this.#inputs.look(specs);
  }

  /** Hands out what one instance lacks of automatic ports. Never rejects. */
  async allot(spec: ServiceSpec, number: number): Promise<Result<void, StartFailure>> {
    try {
      await this.#book.allot(spec, number);
      return ok(undefined);
    } catch (cause) {
      return err({
        code: 'resource-shortage',
        message: cause instanceof Error ? cause.message : String(cause),
      });
    }
  }

  /** Takes an instance's automatic ports back because somebody else has one of them. True where it had any. */
  withdraw(spec: ServiceSpec, number: number): boolean {
    return this.#book.withdraw(spec, number);
  }

  /** What an earlier daemon launched a service with: see `InputsBook.seed`. */
  seed(spec: ServiceSpec, inputs: string): void {
    this.#inputs.seed(spec, inputs);
  }

  /** The launch of an instance whose ports were handed out, with late references filled in. Never rejects. */
  async prepare(spec: ServiceSpec, number: number): Promise<Result<PreparedLaunch, StartFailure>> {
    await this.#inputs.lookOnce(spec);
    const { loaded } = this.#fleet;
    const { name } = loaded.project;
    const context = this.contextOf(loaded);
    const under = launchContext(spec, name, number, context);
    const launch = concreteLaunch(spec, under);
    if (!launch.ok) return err({ code: 'other', message: launch.error });
    const within: TextContext = { ...under, service: spec.id };
    return ok({
      launch: launch.value,
      context: within,
      onMachine: { ...within, ...under.onMachine },
      ...launchRecord(spec, name, number, context),
    });
  }
}
