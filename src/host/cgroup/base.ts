import { err, ok, type Result } from '../../core/util/result.ts';
import { errnoOf } from '../../core/util/system-error.ts';
import { type GroupFiles, wordsIn } from './files.ts';
import { type Controller, type Hierarchy, upTo } from './hierarchies.ts';
import { readProcess } from '../identity.ts';

/** A group of version 2 that holds processes cannot hand controllers on, so this process moves in here. */
const OWN_LEAF = 'setpoint.self';
const MOVE_ROUNDS = 3;

/**
 * The group below which groups with these controllers can be made, or why there is none. Of version 2 it is the nearest
 * one upwards from this process's own that can hand the controllers on, so that as many enclosing limits as possible go
 * on to hold. To enable controllers in a group on the way is the only change made to it; to one that holds nothing but
 * this process and its descendants these are moved into a leaf of it. The common ancestor of the old and the new group
 * has to be writable for a process to be moved, and that is the answer itself.
 */
export function findBase(
  files: GroupFiles,
  hierarchy: Hierarchy,
  needed: readonly Controller[],
): Result<string, string> {
  const { version, mount, own } = hierarchy;
  if (version === 1) return files.writable(own) ? ok(own) : err(`${own} is not writable`);
  let why = `neither ${own} nor a group above it is writable`;
  for (const group of upTo(mount, own)) {
    const paths = [group, `${group}/cgroup.procs`, `${group}/cgroup.subtree_control`];
    if (!paths.every((path) => files.writable(path))) continue;
    const there = wordsIn(files, `${group}/cgroup.controllers`);
    const lacking = needed.filter((name) => !there.includes(name));
    if (lacking.length > 0) {
      why = `${group} has not been given the controller ${lacking.join(' and ')}`;
      continue;
    }
    const enabled = enableControllers(files, group, needed);
    if (enabled.ok) return ok(group);
    why = `${group} cannot hand controllers on (${enabled.error})`;
    if (enabled.error !== 'EBUSY' || group !== own || own.endsWith(`/${OWN_LEAF}`)) continue;
    if (moveIntoLeaf(files, group) && enableControllers(files, group, needed).ok) return ok(group);
    why = `${group} holds other processes than setpoint's and so cannot hand controllers on`;
  }
  return err(why);
}

/** Hands controllers of a group on to those below it. The error is the system's code. */
export function enableControllers(
  files: GroupFiles,
  group: string,
  needed: readonly Controller[],
): Result<undefined, string> {
  const path = `${group}/cgroup.subtree_control`;
  const enabled = wordsIn(files, path);
  const missing = needed.filter((name) => !enabled.includes(name));
  if (missing.length === 0) return ok(undefined);
  try {
    files.write(path, missing.map((name) => `+${name}`).join(' '));
    return ok(undefined);
  } catch (cause) {
    return err(errnoOf(cause) ?? '');
  }
}

/** False, with nothing moved, where the group holds anybody else's processes. */
function moveIntoLeaf(files: GroupFiles, group: string): boolean {
  const leaf = `${group}/${OWN_LEAF}`;
  for (let round = 0; round < MOVE_ROUNDS; round += 1) {
    const pids = wordsIn(files, `${group}/cgroup.procs`).map(Number);
    if (pids.length === 0) return true;
    if (!pids.every(isOurs)) return false;
    try {
      if (round === 0) makeUnlessThere(files, leaf);
      for (const pid of pids) moveTo(files, leaf, pid);
    } catch {
      return false;
    }
  }
  return wordsIn(files, `${group}/cgroup.procs`).length === 0;
}

export function makeUnlessThere(files: GroupFiles, group: string): void {
  try {
    files.make(group);
  } catch (cause) {
    if (errnoOf(cause) !== 'EEXIST') throw cause;
  }
}

function moveTo(files: GroupFiles, group: string, pid: number): void {
  try {
    files.write(`${group}/cgroup.procs`, String(pid));
  } catch (cause) {
    // It has ended in between.
    if (errnoOf(cause) !== 'ESRCH') throw cause;
  }
}

/** This process or a descendant of it. */
function isOurs(pid: number): boolean {
  for (let at = pid; at > 1;) {
    if (at === process.pid) return true;
    at = readProcess(at)?.ppid ?? 0;
  }
  return false;
}
