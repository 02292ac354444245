import type { StartFailure } from '../core/exit.ts';
import { err, ok, type Result } from '../core/util/result.ts';
import { DEFAULT_BACKEND, type ServiceId } from '../core/service.ts';
import type { ProjectRecord, Store } from '../ports/store.ts';
import type { Tell } from './journal.ts';

/**
 * The project's record: what is wanted of it as a whole, kept so that a later daemon knows. A disk that refuses it is told
 * of once and tried again with every change; what is known here is the present one all the same.
 */
export class ProjectMemory {
  readonly #store: Pick<Store, 'writeProject' | 'stateDir'>;
  readonly #tell: Tell;
  #record: ProjectRecord;
  /** Why the record on disk is not the present one; undefined where it is. */
  #unsaved: string | undefined;

  constructor(store: Pick<Store, 'writeProject' | 'stateDir'>, tell: Tell, record: ProjectRecord) {
    this.#store = store;
    this.#tell = tell;
    this.#record = record;
  }

  get record(): ProjectRecord {
    return this.#record;
  }

  /** Keeps a change. Never throws. */
  remember(change: Partial<ProjectRecord>): void {
    this.replace({ ...this.#record, ...change });
  }

  /** The same for a whole record, which is how something of it is forgotten. */
  replace(record: ProjectRecord): void {
    this.#record = record;
    try {
      this.#store.writeProject(record);
      this.#unsaved = undefined;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      // Tried again with every change, and told once.
      if (this.#unsaved === undefined) {
        this.#tell({ type: 'warning', message: `the project record cannot be written: ${why}` });
      }
      this.#unsaved = why;
    }
  }

  /** Tries once more where the disk has refused the record. */
  tryAgain(): void {
    if (this.#unsaved !== undefined) this.remember({});
  }

  /** Sees to it that the record is on disk; the failure says why it cannot be. */
  recorded(): Result<void, StartFailure> {
    this.tryAgain();
    if (this.#unsaved === undefined) return ok(undefined);
    return err({
      code: 'state-unwritable',
      message: `the state directory cannot be written: ${this.#unsaved}`,
      help: `free space or mend the permissions of ${this.#store.stateDir}`,
    });
  }

  /** Notes, on disk, that the backend may have something of the project from now on. */
  usedBackend(backend: string): Result<void, StartFailure> {
    const known = this.#record.backends ?? [];
    if (backend !== DEFAULT_BACKEND && !known.includes(backend)) {
      this.remember({ backends: [...known, backend].sort() });
    }
    return this.recorded();
  }

  /** Keeps which of these services somebody wants stopped: those that are not wanted now. */
  noteStopped(services: Iterable<ServiceId>, isWanted: (service: ServiceId) => boolean): void {
    const stopped = new Set(this.#record.stopped);
    for (const id of services) {
      if (isWanted(id)) stopped.delete(id);
      else stopped.add(id);
    }
    this.remember({ stopped: [...stopped].sort() });
  }
}
