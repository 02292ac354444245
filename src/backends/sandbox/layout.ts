import { err, ok, type Result } from '../../core/util/result.ts';
import { baseOf, NO_BASE, rootEntries } from './base.ts';
import type { StartFailure } from '../../core/exit.ts';
import { isWithin } from '../../core/util/path.ts';
import type { RunPaths } from '../../ports/encloser.ts';
import {
  type SandboxedLaunch,
  type SandboxLayout,
  type MachineFacts,
  normalPath,
  type FilesystemEntry,
  realPath,
} from './filesystem.ts';
import { mountEntries } from './mount-entries.ts';

/** Lays out what a launch with mounts or a sandbox sees. Refuses what cannot be had as it was asked for. */
export function layOut(
  launch: SandboxedLaunch,
  own: RunPaths,
  facts: MachineFacts,
): Result<SandboxLayout, StartFailure> {
  const { sandbox } = launch;
  const asked = mountEntries(launch, own, facts);
  if (!asked.ok) return asked;
  const base = sandbox === undefined ? NO_BASE : baseOf(sandbox, launch, facts);
  const chosen = asked.value.flatMap((place) => atBothNames(place, base.blank, facts));
  const built = base.built || chosen.some(({ target }) => lacksTop(target, base.blank, facts));
  const whole = built && !base.built ? rootEntries(facts, sandbox !== undefined) : [];
  const places = inOrder([
    ...whole,
    ...base.entries.filter((place) => isNeeded(place, chosen, facts)),
    ...chosen,
  ]);
  const failure = firstOf(chosen, (place) => checkTarget(place, places, built, facts));
  if (failure !== undefined) return err(failure);
  const covering = (path: string): FilesystemEntry | undefined => lastCovering(places, realPath(path, facts));
  const sees = (path: string): boolean => {
    if (normalPath(path) === '/') return true;
    const cover = covering(path);
    const name = lastCovering(places, normalPath(path));
    const isThere = (place: FilesystemEntry | undefined): boolean =>
      place?.kind !== 'tmpfs' || place.target === realPath(path, facts);
    if (!isThere(cover) || !isThere(name)) return false;
    return !built || (cover !== undefined && name !== undefined);
  };
  return ok({
    root: built ? 'built' : 'whole',
    entries: places,
    sees,
    hostPath(path) {
      const cover = covering(path);
      if (!sees(path) || cover?.kind === 'tmpfs') return undefined;
      const real = realPath(path, facts);
      return cover?.kind === 'bind' ? normalPath(cover.source + real.slice(cover.target.length)) : real;
    },
    mayWrite(path) {
      const cover = covering(path);
      if (cover === undefined) return sandbox === undefined;
      return cover.kind === 'tmpfs' || (cover.kind === 'bind' && cover.access !== 'read');
    },
  });
}

/** Where a link on the way would not be there inside, the place is needed under its written name, too. */
function atBothNames(
  place: FilesystemEntry,
  blank: readonly string[],
  facts: MachineFacts,
): readonly FilesystemEntry[] {
  const real = realPath(place.target, facts);
  if (real === place.target) return [place];
  const hasLink = !blank.some((area) => isWithin(place.target, area));
  return hasLink ? [{ ...place, target: real }] : [{ ...place, target: real }, place];
}

/** Outer ones first, so that they do not cover what is within them; of equal targets the last one alone. */
function inOrder(places: readonly FilesystemEntry[]): readonly FilesystemEntry[] {
  const byTarget = new Map<string, FilesystemEntry>();
  for (const place of places) {
    byTarget.delete(place.target);
    byTarget.set(place.target, place);
  }
  const depth = (place: FilesystemEntry): number => place.target.split('/').length;
  return [...byTarget.values()].sort((a, b) => depth(a) - depth(b));
}

function lacksTop(target: string, blank: readonly string[], facts: MachineFacts): boolean {
  if (blank.some((area) => isWithin(target, area))) return false;
  return facts.look(`/${target.split('/')[1] ?? ''}`) === undefined;
}

/** What is chosen covers the base where it is wider; folders in memory stay, if they have a place there. */
function isNeeded(place: FilesystemEntry, chosen: readonly FilesystemEntry[], facts: MachineFacts): boolean {
  const wider = chosen.some(({ kind, target }) => kind === 'bind' && isWithin(place.target, target));
  if (!wider) return true;
  return place.kind === 'tmpfs' && facts.look(place.target)?.kind === 'directory';
}

/** Places that can be made are those in memory; nothing is ever made on the machine's own file systems. */
function checkTarget(
  place: FilesystemEntry,
  places: readonly FilesystemEntry[],
  built: boolean,
  facts: MachineFacts,
): StartFailure | undefined {
  const { target } = place;
  const at = places.findIndex((other) => other.target === target);
  const cover = lastCovering(places.slice(0, at), target);
  if (cover?.kind === 'tmpfs' || (cover === undefined && built)) return undefined;
  const on = cover?.kind === 'bind' ? `${cover.source}${target.slice(cover.target.length)}` : target;
  const kind = kindOf(place, facts);
  const present = facts.look(on);
  if (present === undefined) {
    return {
      code: 'mount-missing',
      message: `nothing can be mounted at ${target}: ${on} does not exist`,
      help: `create it (an empty ${kind} will do), or mount at a place of its own`,
    };
  }
  if ((present.kind === 'directory') === (kind === 'directory')) return undefined;
  return {
    code: 'mount-missing',
    message: `a ${kind} cannot be mounted at ${target}, which is a ${present.kind === 'directory' ? 'directory' : 'file'}`,
    help: 'correct the source or the target of the mount',
  };
}

function kindOf(place: FilesystemEntry, facts: MachineFacts): 'directory' | 'file' {
  if (place.kind !== 'bind') return 'directory';
  return facts.look(place.source)?.kind === 'directory' ? 'directory' : 'file';
}

function lastCovering(places: readonly FilesystemEntry[], path: string): FilesystemEntry | undefined {
  return places.findLast((place) => isWithin(path, place.target));
}

function firstOf<T, R>(values: readonly T[], ask: (value: T) => R | undefined): R | undefined {
  for (const value of values) {
    const answer = ask(value);
    if (answer !== undefined) return answer;
  }
  return undefined;
}
