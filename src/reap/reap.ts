import { existsSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readProcess } from '../host/identity.ts';
import { ProcessScanner } from '../host/unit-scan.ts';
import {
  planReap,
  type ReapedFile,
  type ReapedLeavings,
  type ReapPlan,
  type ReapProcess,
  type ReapProject,
  type ReapReport,
} from '../core/reap.ts';
import type { RunId } from '../core/state.ts';
import type { ProjectRecord } from '../ports/store.ts';
import { readText } from '../store/files.ts';
import { readJournal } from '../store/journal.ts';
import { listProjects } from '../store/locate.ts';
import { readLockNote } from '../store/lock-note.ts';
import { acquireLock } from '../store/lock.ts';
import { parseProjectRecord } from '../store/records.ts';
import { isOwnSocket } from '../store/runtime-dir.ts';
import { openStore, readRunRecords } from '../store/store.ts';
import { type RemoveLeavings, leavingsRemover } from './leavings.ts';
import { isOurs, list, stateDirsOf, suspects } from './scan.ts';

export interface ReapOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Look only. */
  readonly dryRun: boolean;
  /** Also end what no state directory knows. */
  readonly unknown: boolean;
  /** Remove the state directories of projects whose manifest is gone. */
  readonly forget: boolean;
  /** The word by which a daemon's command line is known: a daemon is never reaped, whoever started it. */
  readonly daemonWord: string;
  /** Between SIGTERM and SIGKILL; default 5 s. */
  readonly graceMs?: number;
  /** Default: asks the engines that the environment names. */
  readonly removeLeavings?: RemoveLeavings;
}

const GRACE_MS = 5_000;
/** A process that outlives a SIGKILL this long is named and left. */
const KILLED_WITHIN_MS = 2_000;
const LOOK_MS = 50;
/** Happenings in which runs of before are looked for. */
const JOURNAL = 20_000;

/**
 * Ends what carries the cookie of a run that nobody wants any more, and removes what such projects left, until nothing
 * of it is there. What is decided is `planReap`'s. Each project that something is done about is locked meanwhile, so
 * that no daemon of it begins; one that cannot be locked has a daemon, and nothing of it is touched. Linux alone shows
 * the environments of processes; elsewhere there is nothing to find.
 */
export async function reap(options: ReapOptions): Promise<ReapReport> {
  const scanner = new ProcessScanner();
  const first = await surveyProjects(scanner, options, () => false);
  const concerned = new Set([...stateDirs(first.plan), ...first.projects.filter(hasLeftovers).map(dirOf)]);
  const locks = new Map<string, Lock>();
  try {
    for (const { stateDir, socketPath, elsewhere } of first.projects) {
      // Nothing that is kept elsewhere is touched unless that is asked for, its lock included.
      if (!concerned.has(stateDir) || (elsewhere && !options.unknown)) continue;
      const lock = await acquireLock(join(stateDir, 'daemon.lock'), socketPath);
      if (lock.ok) locks.set(stateDir, lock.value);
    }
    // What was not locked has a daemon, or may get one at any moment.
    const { plan, projects } = await surveyProjects(scanner, options, (stateDir) => !locks.has(stateDir));
    const needed = new Set([...plan.reap.map(dirOf), ...projects.filter(hasLeftovers).map(dirOf)]);
    for (const [stateDir, lock] of locks) if (!needed.has(stateDir)) lock.release();
    const acted = options.dryRun ? { reaped: plan.reap, left: [] } : await endAll(scanner, options, plan);
    const unlocked = projects.filter(({ stateDir }) => locks.has(stateDir) && needed.has(stateDir));
    const idle = unlocked.filter(({ stateDir }) => !isBusy(stateDir, plan, acted.left));
    const leavings = await removeAll(options, idle);
    if (!options.dryRun) idle.forEach((project) => record(project, leavings));
    const stuck = new Set(
      leavings.filter(({ removed }) => removed.failed.length > 0).map(({ stateDir }) => stateDir),
    );
    const files = clear(options, idle, stuck);
    return { ...plan, reap: acted.reaped, dryRun: options.dryRun, left: acted.left, files, leavings };
  } finally {
    for (const lock of locks.values()) lock.release();
  }
}

interface Lock {
  release(): void;
}

function dirOf({ stateDir }: { readonly stateDir?: string }): string | undefined {
  return stateDir;
}

function stateDirs({ reap: reaped, listed, kept }: ReapPlan): readonly (string | undefined)[] {
  return [...reaped, ...listed, ...kept].map(dirOf);
}

/** Whether something of the project runs on after all. */
function isBusy(
  stateDir: string,
  { listed, kept, reap: reaped }: ReapPlan,
  left: readonly ReapProcess[],
): boolean {
  const alive = new Set(left.map(({ run }) => run));
  const groups = [...listed, ...kept, ...reaped.filter(({ run }) => alive.has(run))];
  return groups.some((group) => group.stateDir === stateDir);
}

/** A project as the decision sees it, and where it is. */
interface FoundProject extends ReapProject {
  readonly socketPath: string;
  readonly manifest: string;
  /** Backends that may have something of it although nobody will ask them any more. */
  readonly leftBy: readonly string[];
}

interface ReapSurvey {
  readonly plan: ReapPlan;
  readonly projects: readonly FoundProject[];
}

async function surveyProjects(
  scanner: ProcessScanner,
  options: ReapOptions,
  isLive: (stateDir: string) => boolean,
): Promise<ReapSurvey> {
  const table = await scanner.scan();
  const processes = suspects(table, options.daemonWord);
  const own = ownProjects(options.env, processes.length > 0, isLive);
  const known = new Set(own.map(({ stateDir }) => stateDir));
  const elsewhere = stateDirsOf(processes)
    .filter((stateDir) => !known.has(stateDir))
    .flatMap((stateDir) => foreignProject(stateDir, options.unknown && isLive(stateDir)));
  const projects = [...own, ...elsewhere];
  const plan = planReap(projects, processes, options);
  const ours = (groups: ReapPlan['reap']): ReapPlan['reap'] =>
    groups.filter(
      ({ stateDir, processes: all }) => stateDir !== undefined || all.every(({ pid }) => isOurs(pid)),
    );
  return { plan: { ...plan, reap: ours(plan.reap), listed: ours(plan.listed) }, projects };
}

function ownProjects(
  env: ReapOptions['env'],
  withJournal: boolean,
  isLive: (stateDir: string) => boolean,
): readonly FoundProject[] {
  return listProjects(env).map(({ location: { stateDir, socketPath }, record }) =>
    found(stateDir, socketPath, record, { withJournal, live: isLive(stateDir), elsewhere: false }),
  );
}

/** A project of another XDG_STATE_HOME; nothing where there is none of that folder. */
function foreignProject(stateDir: string, live: boolean): readonly FoundProject[] {
  const read = readText(join(stateDir, 'project.json'));
  if (read.kind === 'missing') return [];
  const parsed = read.kind === 'text' ? parseProjectRecord(read.text) : undefined;
  const record = parsed?.ok === true ? parsed.record : undefined;
  const socketPath = readLockNote(join(stateDir, 'daemon.lock'))?.socketPath ?? '';
  const how = { withJournal: true, live, elsewhere: true };
  return [found(stateDir, socketPath, record, how)];
}

function found(
  stateDir: string,
  socketPath: string,
  record: ProjectRecord | undefined,
  {
    withJournal,
    ...how
  }: { readonly withJournal: boolean; readonly live: boolean; readonly elsewhere: boolean },
): FoundProject {
  const records = readRunRecords(stateDir);
  const manifest = record?.load.files[0] ?? '';
  const manifestGone = manifest !== '' && isGone(manifest);
  return {
    stateDir,
    socketPath,
    manifest,
    name: record?.name ?? basename(stateDir),
    phase: record?.phase,
    ...how,
    manifestGone,
    leftBy: record === undefined || how.elsewhere ? [] : leftBy(record, manifestGone),
    runs: records.map(({ run, instance, ended }) => ({ run, instance, ended: ended !== undefined })),
    past: withJournal ? pastRuns(stateDir) : [],
    damaged: countRunFiles(stateDir) > records.length,
  };
}

/** A shutdown that went well has left nothing; one that the next daemon would take over is its own. */
function leftBy({ phase, leavings, backends = [] }: ProjectRecord, manifestGone: boolean): readonly string[] {
  return leavings === true || (phase === 'up' && manifestGone) ? backends : [];
}

function pastRuns(stateDir: string): readonly RunId[] {
  const runs = readJournal(stateDir, JOURNAL).flatMap((h) => (h.type === 'instance-started' ? [h.run] : []));
  return [...new Set(runs)];
}

function countRunFiles(stateDir: string): number {
  return list(join(stateDir, 'instances')).filter((name) =>
    existsSync(join(stateDir, 'instances', name, 'run.json')),
  ).length;
}

/** Only a file that is known not to be there is gone; one that may not be looked at may be there. */
function isGone(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false;
  }
}

/** SIGTERM, then, after the grace period, SIGKILL, to all that is to be reaped and to what it starts meanwhile. */
async function endAll(
  scanner: ProcessScanner,
  options: ReapOptions,
  plan: ReapPlan,
): Promise<{ readonly reaped: ReapPlan['reap']; readonly left: readonly ReapProcess[] }> {
  const runs = new Set(plan.reap.map(({ run }) => run));
  const reaped = new Map(
    plan.reap.map((group) => [group.run, new Map(group.processes.map((one) => [one.pid, one]))]),
  );
  const killAt = performance.now() + (options.graceMs ?? GRACE_MS);
  const asked = new Set<string>();
  let left: readonly ReapProcess[] = [];
  for (;;) {
    const table = await scanner.scan();
    left = suspects(table, options.daemonWord).filter(({ run }) => runs.has(run));
    const now = performance.now();
    if (left.length === 0 || now >= killAt + KILLED_WITHIN_MS) break;
    for (const one of left) {
      reaped.get(one.run)?.set(one.pid, one);
      const key = `${one.pid} ${one.startTime}`;
      if (now >= killAt) signal(one, 'SIGKILL');
      else if (!asked.has(key)) {
        asked.add(key);
        signal(one, 'SIGTERM');
        // One that is stopped takes no notice otherwise.
        signal(one, 'SIGCONT');
      }
    }
    await sleep(LOOK_MS);
  }
  return {
    reaped: plan.reap.map((group) => ({ ...group, processes: [...(reaped.get(group.run)?.values() ?? [])] })),
    left,
  };
}

/** Between the look and the signal the pid may have gone to somebody else. */
function signal({ pid, startTime }: ReapProcess, name: 'SIGTERM' | 'SIGCONT' | 'SIGKILL'): void {
  const entry = readProcess(pid);
  if (entry?.startTime !== startTime || entry.zombie) return;
  try {
    process.kill(pid, name);
  } catch {
    // It is gone, or not ours to signal; the next look tells.
  }
}

/** What backends have of these, one project after another: an engine has enough to do with one. */
async function removeAll(
  { env, dryRun, removeLeavings = leavingsRemover(env) }: ReapOptions,
  projects: readonly FoundProject[],
): Promise<readonly ReapedLeavings[]> {
  const done: ReapedLeavings[] = [];
  for (const { name, stateDir, phase, leftBy: backends } of projects) {
    if (backends.length === 0) continue;
    const removed = await removeLeavings({ name, stateDir, backends }, { dryRun });
    if (Object.values(removed).every(({ length }) => length === 0)) continue;
    const reason =
      phase === 'up' ? "its project's manifest is gone, and no daemon runs" : 'its project is down';
    done.push({ project: name, stateDir, reason, removed });
  }
  return done;
}

/**
 * A project whose manifest is gone and of which nothing runs is not one that a daemon has to be brought back for. That
 * something is left is forgotten only where it was found and removed: another engine may be the one that has it.
 */
function record(
  { stateDir, phase, manifestGone, elsewhere, leftBy: backends }: FoundProject,
  all: readonly ReapedLeavings[],
): void {
  const isOver = phase === 'up' && manifestGone;
  if (elsewhere || (!isOver && backends.length === 0)) return;
  const opened = openStore({ stateDir });
  if (!opened.ok) return;
  const { leavings: _before, ...rest } = opened.value.readProject() ?? {};
  try {
    const isAll = all.some((one) => one.stateDir === stateDir && one.removed.failed.length === 0);
    const leavings = backends.length > 0 && !isAll ? { leavings: true as const } : {};
    if ('version' in rest) opened.value.writeProject({ ...rest, phase: 'down', ...leavings });
  } catch {
    // The disk refuses it; the project is then still found as it was.
  }
  opened.value.close();
}

function hasLeftovers({ manifestGone, socketPath, leftBy: backends }: FoundProject): boolean {
  return manifestGone || backends.length > 0 || isOwnSocket(socketPath);
}

/**
 * For projects that are locked and of which nothing runs: what is there although no daemon is. Of those in `stuck` the
 * state directory is needed: without it nobody knows whose the rest is.
 */
function clear(
  options: ReapOptions,
  projects: readonly FoundProject[],
  stuck: ReadonlySet<string>,
): readonly ReapedFile[] {
  return projects.flatMap((project): readonly ReapedFile[] => {
    const { name, socketPath, stateDir, manifestGone, manifest, elsewhere } = project;
    const files: ReapedFile[] = [];
    if (elsewhere) return files;
    if (isOwnSocket(socketPath)) {
      const outcome = remove(options.dryRun, () => rmSync(socketPath));
      files.push({ path: socketPath, kind: 'socket', project: name, reason: 'no daemon serves it', outcome });
    }
    if (manifestGone) {
      const forgotten = (): ReapedFile['outcome'] =>
        stuck.has(stateDir) ? 'refused' : remove(options.dryRun, () => rmSync(stateDir, { recursive: true }));
      const outcome = options.forget ? forgotten() : 'listed';
      const reason = `the manifest ${manifest} is gone`;
      files.push({ path: stateDir, kind: 'state-directory', project: name, reason, outcome });
    }
    return files;
  });
}

function remove(dryRun: boolean, act: () => void): ReapedFile['outcome'] {
  if (dryRun) return 'would-be-removed';
  try {
    act();
    return 'removed';
  } catch {
    return 'refused';
  }
}
