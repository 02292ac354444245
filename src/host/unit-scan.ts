import { readdirSync } from 'node:fs';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { RunId } from '../core/state.ts';
import { listWithPs, type ProcessEntry, lookAtProcess } from './identity.ts';
import { readProcFile } from './proc-fs.ts';

/** Environment variable that holds the run's id in all processes of a run: that is how they are found again. */
export const COOKIE = 'SETPOINT_RUN';

/** A look at all processes of the machine. Never changes. */
export class ProcessTable {
  readonly #byPid = new Map<number, ProcessEntry>();
  readonly #byParent = new Map<number, ProcessEntry[]>();
  readonly #byGroup = new Map<number, ProcessEntry[]>();
  readonly #byRun = new Map<RunId, ProcessEntry[]>();
  readonly #runs: ReadonlyMap<number, RunId>;

  /** `runs` gives the cookie of those processes that carry one, by pid. */
  constructor(entries: readonly ProcessEntry[], runs: ReadonlyMap<number, RunId>) {
    this.#runs = runs;
    for (const entry of entries) {
      this.#byPid.set(entry.pid, entry);
      push(this.#byParent, entry.ppid, entry);
      push(this.#byGroup, entry.pgid, entry);
      const run = runs.get(entry.pid);
      if (run !== undefined) push(this.#byRun, run, entry);
    }
  }

  get(pid: number): ProcessEntry | undefined {
    return this.#byPid.get(pid);
  }

  entries(): Iterable<ProcessEntry> {
    return this.#byPid.values();
  }

  /** The run whose cookie this process carries. */
  runOf(pid: number): RunId | undefined {
    return this.#runs.get(pid);
  }

  children(pid: number): readonly ProcessEntry[] {
    return this.#byParent.get(pid) ?? [];
  }

  group(pgid: number): readonly ProcessEntry[] {
    return this.#byGroup.get(pgid) ?? [];
  }

  carriers(run: RunId): readonly ProcessEntry[] {
    return this.#byRun.get(run) ?? [];
  }
}

function push<K>(map: Map<K, ProcessEntry[]>, key: K, entry: ProcessEntry): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [entry]);
  else list.push(entry);
}

/** Told of every finished look. */
type ScanListener = (table: ProcessTable) => void;

/** A slice of a look holds the event loop for about this long. */
const SLICE_MS = 4;
const RETRY_MS = 50;
const DIGIT_0 = 48;
const DIGIT_9 = 57;
/** The kernel allows an environment of a quarter of the stack limit; 2 MiB with the usual 8 MiB. */
const ENVIRON_LIMIT = 2 * 1024 * 1024;

interface CachedCookie {
  readonly startTime: number;
  readonly image: string;
  readonly run: RunId | undefined;
}

/** Looks at the machine's processes, one look at a time, for everybody who asks. */
export class ProcessScanner {
  readonly #listeners = new Set<ScanListener>();
  #current: Promise<unknown> = Promise.resolve();
  #next: Promise<ProcessTable> | undefined;
  #cookies = new Map<number, CachedCookie>();

  /** Resolves with a look that began after this call; calls that come before it begins share it. */
  scan(): Promise<ProcessTable> {
    this.#next ??= this.#queue();
    return this.#next;
  }

  /** The answer ends it. */
  listen(listener: ScanListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #queue(): Promise<ProcessTable> {
    await this.#current;
    await setImmediate();
    this.#next = undefined;
    const look = this.#look();
    this.#current = look;
    const table = await look;
    for (const listener of this.#listeners) listener(table);
    return table;
  }

  /** Where the system is short of descriptors a look shows less than there is: then there is none until it is not. */
  async #look(): Promise<ProcessTable> {
    for (;;) {
      try {
        return process.platform === 'linux' ? await this.#walk() : new ProcessTable(listWithPs(), new Map());
      } catch {
        await setTimeout(RETRY_MS);
      }
    }
  }

  async #walk(): Promise<ProcessTable> {
    const entries: ProcessEntry[] = [];
    const runs = new Map<number, RunId>();
    const cookies = new Map<number, CachedCookie>();
    let sliceStart = performance.now();
    for (const name of readdirSync('/proc')) {
      const first = name.charCodeAt(0);
      if (first < DIGIT_0 || first > DIGIT_9) continue;
      const entry = lookAtProcess(Number(name));
      if (entry === undefined) continue;
      entries.push(entry);
      const cookie = this.#cookie(entry);
      if (cookie !== undefined) {
        cookies.set(entry.pid, cookie);
        if (cookie.run !== undefined) runs.set(entry.pid, cookie.run);
      }
      if (performance.now() - sliceStart > SLICE_MS) {
        await setImmediate();
        sliceStart = performance.now();
      }
    }
    this.#cookies = cookies;
    return new ProcessTable(entries, runs);
  }

  #cookie(entry: ProcessEntry): CachedCookie | undefined {
    if (entry.kernel || entry.zombie) return undefined;
    const cached = this.#cookies.get(entry.pid);
    if (cached?.startTime === entry.startTime && cached.image === entry.image) return cached;
    const { startTime, image } = entry;
    return { startTime, image, run: readCookie(entry.pid) };
  }
}

function readCookie(pid: number): RunId | undefined {
  const environ = readProcFile(`/proc/${pid}/environ`, ENVIRON_LIMIT);
  return environ === undefined ? undefined : findCookie(environ);
}

/** The run named in an environment as /proc/PID/environ gives it. */
export function findCookie(environ: Buffer): RunId | undefined {
  const needle = `${COOKIE}=`;
  for (let at = environ.indexOf(needle); at >= 0; at = environ.indexOf(needle, at + 1)) {
    if (at > 0 && environ[at - 1] !== 0) continue;
    const end = environ.indexOf(0, at);
    return environ.toString('utf8', at + needle.length, end < 0 ? environ.length : end);
  }
  return undefined;
}

/** What is known of a unit besides what a look shows. */
interface UnitClues {
  readonly run: RunId;
  readonly launcher?: { readonly pid: number; readonly startTime: number } | undefined;
  /** Members seen before, pid to start time: they stay members whatever becomes of their parents. */
  readonly known: ReadonlyMap<number, number>;
}

export interface UnitView {
  /** Living members besides the launcher, in order of pid. */
  readonly members: readonly ProcessEntry[];
  /** What has ended and waits for its parent to ask how. */
  readonly zombies: readonly ProcessEntry[];
  /** The launcher, if it is there, be it a zombie. */
  readonly launcher?: ProcessEntry | undefined;
  /** Whether the launcher's process group is still this unit's. */
  readonly ownsGroup: boolean;
}

/**
 * The processes of a unit: who carries its cookie, who was a member before, the launcher's process group, and the
 * descendants of all of these. A process group's number is not given to another as long as somebody is in it, so one
 * member in it proves the group.
 */
export function viewUnit(table: ProcessTable, clues: UnitClues): UnitView {
  const { launcher: expected } = clues;
  const found = expected === undefined ? undefined : table.get(expected.pid);
  const launcher = found !== undefined && found.startTime === expected?.startTime ? found : undefined;
  const members = new Map<number, ProcessEntry>();
  const queue: ProcessEntry[] = [];
  const add = (entry: ProcessEntry): void => {
    if (entry.pid === launcher?.pid || entry.pid === process.pid || members.has(entry.pid)) return;
    members.set(entry.pid, entry);
    queue.push(entry);
  };
  for (const entry of table.carriers(clues.run)) add(entry);
  for (const [pid, startTime] of clues.known) {
    const entry = table.get(pid);
    if (entry?.startTime === startTime) add(entry);
  }
  const ownsGroup =
    launcher !== undefined || [...members.values()].some((entry) => entry.pgid === expected?.pid);
  if (ownsGroup && expected !== undefined) table.group(expected.pid).forEach(add);
  if (launcher !== undefined) table.children(launcher.pid).forEach(add);
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const child of table.children(next.pid)) if (child.startTime >= next.startTime) add(child);
  }
  const all = [...members.values()];
  return {
    members: all.filter((entry) => !entry.zombie).sort((a, b) => a.pid - b.pid),
    zombies: all.filter((entry) => entry.zombie),
    launcher,
    ownsGroup,
  };
}
