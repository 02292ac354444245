import type { RunId } from '../../core/state.ts';
import type { ProcessIdentity } from '../../ports/backend.ts';
import type { Cgroup } from '../../host/cgroup/cgroup.ts';
import { findLogWriters } from './log-writers.ts';
import { type ProcessScanner, type ProcessTable, type UnitView, viewUnit } from '../../host/unit-scan.ts';

interface UnitTrackerOptions {
  readonly run: RunId;
  readonly scanner: ProcessScanner;
  readonly launcher: ProcessIdentity | undefined;
  readonly cgroup?: Cgroup | undefined;
  /** Absolute paths of the files that are its output; absent: they are not known. */
  readonly logPaths?: readonly string[] | undefined;
  /** Whether no later run of the instance has begun: that one would write to the same files. */
  readonly isLatest: () => boolean;
}

/** Keeps an eye on the processes of a unit: with every look of the scanner it remembers who belongs to it. */
export class UnitTracker {
  readonly #options: UnitTrackerOptions;
  readonly #known = new Map<number, number>();
  readonly #unlisten: () => void;
  #over = false;

  constructor(options: UnitTrackerOptions) {
    this.#options = options;
    this.#unlisten = options.scanner.listen((table) => this.#remember(table));
  }

  /** This one is a member, whatever else tells so. */
  add(pid: number, startTime: number): void {
    this.#known.set(pid, startTime);
  }

  /** The unit by what a look at all processes shows at no further cost. */
  async look(): Promise<UnitView> {
    return this.#view(await this.#options.scanner.scan());
  }

  /** The same, and whoever is in its control group or writes to its logs: before anything is done to the unit. */
  async lookClosely(): Promise<UnitView> {
    const { scanner, cgroup, run, launcher, logPaths, isLatest } = this.#options;
    const table = await scanner.scan();
    for (const pid of cgroup?.members() ?? []) {
      const entry = table.get(pid);
      if (entry !== undefined) this.add(pid, entry.startTime);
    }
    // A launcher whose beginning is not known says nothing of who came after it.
    if (logPaths !== undefined && launcher !== undefined && launcher.startTime > 0 && isLatest()) {
      const writers = await findLogWriters(table, { run, logs: logPaths, since: launcher.startTime });
      for (const { pid, startTime } of writers) this.add(pid, startTime);
    }
    return this.#view(table);
  }

  /** The main process has ended: once a look finds nobody any more, there is no more to look at, and no group needed. */
  end(): void {
    this.#over = true;
  }

  /** Looks at nothing any more by itself. */
  close(): void {
    this.#unlisten();
  }

  #view(table: ProcessTable): UnitView {
    const { run, launcher } = this.#options;
    return viewUnit(table, { run, known: this.#known, launcher });
  }

  #remember(table: ProcessTable): void {
    const { members } = this.#view(table);
    this.#known.clear();
    for (const { pid, startTime } of members) this.#known.set(pid, startTime);
    if (!this.#over || members.length > 0) return;
    this.#unlisten();
    this.#options.cgroup?.remove();
  }
}
