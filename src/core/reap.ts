import type { CleanupReport } from './api.ts';
import { compareText } from './graph.ts';
import type { InstanceId } from './service.ts';
import type { RunId } from './state.ts';

/** What a project's state directory tells of it. */
export interface ReapProject {
  /** Absolute. */
  readonly stateDir: string;
  readonly name: string;
  /** Undefined where there is no record that can be read. */
  readonly phase: 'up' | 'down' | undefined;
  /** Whether a daemon of it lives, or may: it has what is said here under its care. */
  readonly live: boolean;
  /** Whether its first manifest is no more. */
  readonly manifestGone: boolean;
  /** Whether it was found by what a process holds open, outside the state directories of this environment. */
  readonly elsewhere: boolean;
  /** Of each instance the latest run. */
  readonly runs: readonly { readonly run: RunId; readonly instance: InstanceId; readonly ended: boolean }[];
  /** Runs that its journal speaks of. */
  readonly past: readonly RunId[];
  /** Whether there are run records that cannot be read: what they claim is not known then. */
  readonly damaged: boolean;
}

/** A process that carries the cookie of a run, or descends from one that does. */
export interface ReapProcess {
  readonly pid: number;
  /** As /proc/PID/stat gives it; tells it apart from a later one with the same pid. */
  readonly startTime: number;
  readonly run: RunId;
  /** Command line, masked. */
  readonly command: string;
}

/** The processes of one run, and what is to become of them. */
export interface ReapGroup {
  readonly run: RunId;
  readonly project?: string;
  readonly stateDir?: string;
  readonly instance?: InstanceId;
  readonly reason: string;
  readonly processes: readonly ReapProcess[];
}

export interface ReapPlan {
  /** Nobody wants these any more. */
  readonly reap: readonly ReapGroup[];
  /** Nobody may want these any more, but that is for a person to say. */
  readonly listed: readonly ReapGroup[];
  /** A daemon looks after these, or would take them over. */
  readonly kept: readonly ReapGroup[];
}

/** What became of something that was found. */
export interface ReapedFile {
  readonly path: string;
  readonly kind: 'socket' | 'state-directory';
  readonly project?: string;
  readonly reason: string;
  /** `listed`: only looked at, for it takes another option to remove it. */
  readonly outcome: 'removed' | 'would-be-removed' | 'listed' | 'refused';
}

/** What backends had of a project besides processes, and what became of it. */
export interface ReapedLeavings {
  readonly project: string;
  readonly stateDir: string;
  readonly reason: string;
  /** By name: what was removed, or would be; `failed` names what is left, and why. */
  readonly removed: CleanupReport;
}

/** What was found and done. */
export interface ReapReport extends ReapPlan {
  readonly dryRun: boolean;
  /** Processes that live on although they were killed. */
  readonly left: readonly ReapProcess[];
  readonly files: readonly ReapedFile[];
  /** Only of projects that backends have something of, or may. */
  readonly leavings: readonly ReapedLeavings[];
}

type Fate = 'reap' | 'listed' | 'kept';

/**
 * Who is wanted by nobody any more. A run is of the project whose latest run it is, whose journal speaks of it, or whose
 * records hold another run of the same daemon. Nothing of a project with a live daemon is ever reaped, nor what a daemon
 * would take over; what no state directory knows only with `unknown`.
 */
export function planReap(
  projects: readonly ReapProject[],
  processes: readonly ReapProcess[],
  { unknown }: { readonly unknown: boolean },
): ReapPlan {
  const byRun = new Map<RunId, ReapProcess[]>();
  for (const process of processes) {
    const list = byRun.get(process.run);
    if (list === undefined) byRun.set(process.run, [process]);
    else list.push(process);
  }
  const plan: Record<Fate, ReapGroup[]> = { reap: [], listed: [], kept: [] };
  for (const run of [...byRun.keys()].sort(compareText)) {
    const found = (byRun.get(run) ?? []).toSorted((a, b) => a.pid - b.pid);
    const { fate, ...group } = judgeRun(run, projects, unknown);
    plan[fate].push({ run, ...group, processes: found });
  }
  return plan;
}

interface Judged {
  readonly fate: Fate;
  readonly reason: string;
  readonly project?: string;
  readonly stateDir?: string;
  readonly instance?: InstanceId;
}

function judgeRun(run: RunId, projects: readonly ReapProject[], unknown: boolean): Judged {
  const owner = ownerOf(run, projects);
  if (owner === undefined) {
    const reason = 'no state directory knows this run';
    return { fate: unknown ? 'reap' : 'listed', reason };
  }
  const record = owner.runs.find((one) => one.run === run);
  const { fate, reason } = judgeOwned(owner, record);
  const about = {
    project: owner.name,
    stateDir: owner.stateDir,
    ...(record === undefined ? {} : { instance: record.instance }),
  };
  if (fate === 'reap' && owner.elsewhere && !unknown) {
    return {
      fate: 'listed',
      reason: `${reason}; its state is kept elsewhere, in ${owner.stateDir}`,
      ...about,
    };
  }
  return { fate, reason, ...about };
}

function judgeOwned(
  owner: ReapProject,
  record: ReapProject['runs'][number] | undefined,
): { readonly fate: Fate; readonly reason: string } {
  if (owner.live) return { fate: 'kept', reason: 'the daemon of its project looks after it' };
  if (owner.phase === undefined) return { fate: 'listed', reason: "its project's record cannot be read" };
  if (owner.phase === 'down') return { fate: 'reap', reason: 'its project is down' };
  if (record === undefined) {
    return owner.damaged
      ? { fate: 'listed', reason: 'records of its project cannot be read, and may speak of it' }
      : { fate: 'reap', reason: 'it is not the latest run of its instance' };
  }
  if (record.ended) return { fate: 'reap', reason: 'its run has ended, and this is left of it' };
  if (owner.manifestGone)
    return { fate: 'reap', reason: "its project's manifest is gone, and no daemon runs" };
  return { fate: 'kept', reason: 'its project is up: the next daemon takes it over' };
}

/** A record that names the run goes before one that only speaks of it, and both before the daemon's part of its name. */
function ownerOf(run: RunId, projects: readonly ReapProject[]): ReapProject | undefined {
  return (
    projects.find(({ runs }) => runs.some((one) => one.run === run)) ??
    projects.find(({ past }) => past.includes(run)) ??
    projects.find(({ runs, past }) =>
      [...runs.map((one) => one.run), ...past].some((other) => isOfSameDaemon(run, other)),
    )
  );
}

/** Run ids are `DAEMON-COUNT`, the first part random for each daemon. */
function isOfSameDaemon(a: RunId, b: RunId): boolean {
  const daemon = a.slice(0, a.lastIndexOf('-'));
  return daemon.length >= LEAST_DAEMON_CHARS && daemon === b.slice(0, b.lastIndexOf('-'));
}

/** Anything shorter is no random name, and might be shared by chance. */
const LEAST_DAEMON_CHARS = 16;
