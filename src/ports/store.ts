import type { ProjectEvent, ProjectEventBody } from '../core/event.ts';
import type { LoadRequest, ServiceId } from '../core/service.ts';
import type { RunRecord } from './backend.ts';

/** What is wanted of the project as a whole; survives the daemon. Holds no secret. */
export interface ProjectRecord {
  readonly version: 1;
  readonly name: string;
  readonly dir: string;
  /** How the manifest was loaded; values of `set` whose name looks secret are left out. */
  readonly load: LoadRequest;
  /** `up` from the first apply until a shutdown has run to its end. */
  readonly phase: 'up' | 'down';
  /** Set while a shutdown is under way: a later daemon goes on with it. */
  readonly shutdown?: { readonly reason: string; readonly volumes?: true };
  /** Services a person stopped. */
  readonly stopped: readonly ServiceId[];
  /** Replica counts set by `scale`. */
  readonly scale: Readonly<Record<ServiceId, number>>;
  /** Automatic ports handed out: `service.n/name` -> number; kept so that they stay the same. */
  readonly ports: Readonly<Record<string, number>>;
  /** How changes of the manifest are taken up; absent where none was applied yet. */
  readonly reload?: {
    readonly watch: boolean;
    readonly review: boolean;
    /** Of the content of all files that went into what was applied last; salted. */
    readonly digest: string;
  };
  /** The backends besides `native` by which a service was ever run: they may have something of it. Absent: none. */
  readonly backends?: readonly string[];
  /** The last shutdown could not remove all that they have: the next one tries again. */
  readonly leavings?: true;
  /** Salt of the digests in run records; random, made once. */
  readonly salt: string;
}

/** Durable state of one project. Writes are atomic: a reader sees the old or the new, never a half. */
export interface Store {
  readonly stateDir: string;
  instanceDir(instance: string): string;
  readProject(): ProjectRecord | undefined;
  /** Throws StoreError where the disk refuses. */
  writeProject(record: ProjectRecord): void;
  /** All readable run records; what is unreadable is named in `damaged` and set aside. */
  readRuns(): { readonly runs: readonly RunRecord[]; readonly damaged: readonly string[] };
  /** Throws StoreError where the disk refuses. */
  writeRun(record: RunRecord): void;
  /** Forgets an instance's run record; its logs stay. */
  removeRun(instance: string): void;
  /** Appends to the journal and returns what was written. A full disk drops the line, counts it and goes on. */
  append(
    body: ProjectEventBody,
    at: { readonly service?: ServiceId; readonly instance?: string },
  ): ProjectEvent;
  /** The newest `limit` happenings, oldest first. */
  happenings(limit: number, service?: ServiceId): readonly ProjectEvent[];
}
