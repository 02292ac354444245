import type { PlanView } from '../core/plan-view.ts';
import type { ProjectEventBody } from '../core/event.ts';
import type { RunId } from '../core/state.ts';
import type { Backend, Orphan } from '../ports/backend.ts';
import type { Clock } from '../ports/clock.ts';
import { within } from './patience.ts';

/** No plan waits longer for an engine to say what it has. */
const PATIENCE_MS = 3_000;
/** Nor does the carrying out of one for the removal, which goes on all the same. */
const REMOVAL_MS = 5_000;

export interface OrphanPorts {
  readonly backend: Pick<Backend, 'orphans' | 'removeOrphan'>;
  readonly clock: Clock;
  readonly tell: (happening: ProjectEventBody) => void;
  /** Without the secrets it may hold. */
  readonly masked: (text: string) => string;
}

/** What is there of the project although no run on record made it, such as by a daemon whose state was removed. */
export class Orphans {
  readonly #ports: OrphanPorts;
  /** Those that were found last, by id. */
  readonly #found = new Map<string, Orphan>();

  constructor(ports: OrphanPorts) {
    this.#ports = ports;
  }

  /** The plan, with what there is. Never rejects. */
  async addTo(plan: PlanView, project: string, known: ReadonlySet<RunId>): Promise<PlanView> {
    const { backend, masked } = this.#ports;
    if (backend.orphans === undefined) return plan;
    const found = await within(this.#ports.clock, PATIENCE_MS, backend.orphans(project, known));
    if (found === undefined) return { ...plan, orphansUnknown: 'the engine has not answered in time' };
    if (!found.ok) return { ...plan, orphansUnknown: masked(found.error.message) };
    this.#found.clear();
    for (const orphan of found.value) this.#found.set(orphan.id, orphan);
    if (found.value.length === 0) return plan;
    const orphans = found.value
      .map(({ id, name, service, running }) => ({ id, name, service, running }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return { ...plan, orphans, drift: true };
  }

  /** Removes those of a plan; resolves once they are gone, or after a while. Never rejects. */
  async remove({ orphans = [] }: PlanView): Promise<void> {
    const removals = orphans
      .flatMap(({ id }) => this.#found.get(id) ?? [])
      .map((orphan) => this.#remove(orphan));
    if (removals.length > 0) await within(this.#ports.clock, REMOVAL_MS, Promise.all(removals));
  }

  async #remove(orphan: Orphan): Promise<void> {
    const { backend, tell, masked } = this.#ports;
    const removed = await backend.removeOrphan?.(orphan);
    if (removed?.ok === true) {
      this.#found.delete(orphan.id);
      tell({ type: 'orphan-removed', name: orphan.name });
    } else if (removed !== undefined) {
      tell({
        type: 'warning',
        message: `${orphan.name} could not be removed: ${masked(removed.error.message)}`,
      });
    }
  }
}
