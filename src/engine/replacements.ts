import type { FailedChange } from '../core/api.ts';
import type { Cause } from '../core/event.ts';
import type { StartFailure } from '../core/exit.ts';
import type { InstanceId } from '../core/service.ts';
import type { Supervisor } from './instance/supervisor.ts';

export interface ReplacementHost {
  /** The new launch cannot be begun; the former run goes on. */
  kept(supervisor: Supervisor, failure: StartFailure): void;
  /** Called when a replacement is on its way at last, or is not to be. */
  settled(): void;
}

/**
 * Replacements of what runs: what the new launch needs is brought about while the former run goes on. Where that fails,
 * the former run stays, and nothing is tried again until somebody asks for it.
 */
export class Replacements {
  readonly #host: ReplacementHost;
  readonly #underWay = new Map<InstanceId, Supervisor>();
  readonly #failed = new Map<InstanceId, FailedChange>();

  constructor(host: ReplacementHost) {
    this.#host = host;
  }

  /** By service; several instances fail for one reason. */
  get failed(): readonly FailedChange[] {
    const byService = new Map([...this.#failed.values()].map((change) => [change.service, change]));
    return [...byService.values()].sort((a, b) => (a.service < b.service ? -1 : 1));
  }

  isUnderWay(id: InstanceId): boolean {
    return this.#underWay.has(id);
  }

  begin(supervisor: Supervisor, cause: Cause): void {
    const { ref, state } = supervisor;
    this.giveUp(ref.id);
    if (state.kind !== 'running') {
      supervisor.dispatch({ type: 'restart', cause });
      return;
    }
    this.#underWay.set(ref.id, supervisor);
    void this.#replace(supervisor, state.run, cause);
  }

  giveUpAll(): void {
    this.giveUp(...this.#underWay.keys(), ...this.#failed.keys());
  }

  /** What is under way for these is given up, and what has failed is forgotten. */
  giveUp(...ids: readonly InstanceId[]): void {
    for (const id of ids) {
      this.#failed.delete(id);
      const supervisor = this.#underWay.get(id);
      this.#underWay.delete(id);
      supervisor?.giveUpNext();
    }
  }

  async #replace(supervisor: Supervisor, run: string, cause: Cause): Promise<void> {
    const { id, service } = supervisor.ref;
    const brought = await supervisor.materialiseNext();
    if (this.#underWay.get(id) !== supervisor) return;
    this.#underWay.delete(id);
    const { state, machine } = supervisor;
    // A run that was begun meanwhile has the new launch already.
    const isBegunAnew = 'run' in state && state.run !== run;
    if (machine.wanted === 'up' && !isBegunAnew) {
      if (brought.ok) {
        supervisor.dispatch({ type: 'restart', cause });
      } else if (state.kind === 'running') {
        const reason = { kind: 'preparation', failure: brought.error } as const;
        this.#failed.set(id, { service, reason, rolledBack: false, kept: true });
        this.#host.kept(supervisor, brought.error);
      }
    }
    this.#host.settled();
  }
}
