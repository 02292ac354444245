import { basename, dirname } from 'node:path';
import type { StartFailure } from '../../core/exit.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { Limits } from '../../core/service.ts';
import type { RunId } from '../../core/state.ts';
import { errnoOf } from '../../core/util/system-error.ts';
import { enableControllers, findBase, makeUnlessThere } from './base.ts';
import { type GroupFiles, kernelFiles } from './files.ts';
import { type Controller, type Hierarchy, parseHierarchies, upTo } from './hierarchies.ts';
import { type GroupFolder, RunGroup } from './run-group.ts';

/**
 * The control group of one run. With version 1 of control groups it is made of several folders, one in each hierarchy
 * that takes part.
 */
export interface Cgroup {
  /** Absolute path of its folder; of the first one, where it has several. Enough to open it again. */
  readonly path: string;
  /** Absolute paths of its cgroup.procs files; writing 0 to each puts the writer in. */
  readonly joins: readonly string[];
  /** How many of its processes the kernel has killed for lack of memory; undefined where it does not count them. */
  oomKills(): number | undefined;
  /** CPU time of all that ever ran in it; resident memory (anonymous and mapped files), each page once. */
  usage(): { readonly cpuMs?: number; readonly memoryBytes?: number };
  /** Pids of all that is in it, in groups that the service made below it, too. */
  members(): readonly number[];
  /** Sends SIGKILL to all in it at once; false where the kernel cannot (version 1, or before Linux 5.14). */
  kill(): boolean;
  /** Removes it; while something is still in it, tries again for some seconds. May be called more than once. */
  remove(): void;
}

export interface Cgroups {
  /** Makes the group for a run, or says why the limits cannot be held. Undefined: the limits ask for none. */
  make(run: RunId, limits: Limits): Result<Cgroup | undefined, StartFailure>;
  /** The group that had this path; undefined where nothing of it is left, or the path is none that `make` gives. */
  open(path: string): Cgroup | undefined;
  /** The group that `make` has made for a run, where its path was not noted; looked for here and upwards from here. */
  openFor(run: RunId): Cgroup | undefined;
}

interface CgroupsOptions {
  /** Instead of the kernel's files, /proc/self/cgroup and /proc/self/mountinfo included. */
  readonly files?: GroupFiles;
  /** Whose groups they are. */
  readonly uid?: number;
}

/** Groups for runs, below this process's own where that can be; see `findBase`. */
export function createCgroups(options: CgroupsOptions = {}): Cgroups {
  const files = options.files ?? kernelFiles;
  const parent = `${PARENT_PREFIX}${options.uid ?? process.getuid?.() ?? 0}`;
  return {
    make: (run, limits) => makeGroup(files, `${parent}/${folderName(run)}`, limits),
    open: (path) => openGroup(files, path),
    openFor: (run) => openNamed(files, `/${parent}/${folderName(run)}`),
  };
}

/** One folder holds the groups of all runs of a user, so that enabled controllers cannot be withdrawn from above. */
const PARENT_PREFIX = 'setpoint.';
const RUN_PREFIX = 'run-';
/** The kernel's bounds of cpu.max and cpu.cfs_*, in microseconds. */
const MIN_QUOTA_US = 1000;
const USUAL_PERIOD_US = 100_000;
const LONGEST_PERIOD_US = 1_000_000;
/** The folder that holds the runs may be removed, being empty, between its making and its use. */
const MAKE_ATTEMPTS = 3;

function makeGroup(
  files: GroupFiles,
  name: string,
  limits: Limits,
): Result<Cgroup | undefined, StartFailure> {
  const needed: Controller[] = [];
  if (limits.memory !== undefined) needed.push('memory');
  if (limits.cpus !== undefined) needed.push('cpu');
  if (needed.length === 0) return ok(undefined);
  if (limits.cpus !== undefined && limits.cpus * LONGEST_PERIOD_US < MIN_QUOTA_US) {
    return err({
      code: 'limit-refused',
      message: `limit cpus of ${limits.cpus} is below what the kernel can hold`,
      help: `give at least ${MIN_QUOTA_US / LONGEST_PERIOD_US}`,
    });
  }
  const found = findBases(files, needed);
  if (!found.ok) return found;
  const parts: GroupFolder[] = [];
  for (const { hierarchy, base, controllers } of found.value) {
    const part: GroupFolder = { version: hierarchy.version, dir: `${base}/${name}` };
    try {
      makePart(files, part, controllers);
      parts.push(part);
      setLimits(files, part, controllers, limits);
    } catch (cause) {
      if (parts.length > 0) new RunGroup(files, parts).remove();
      return err(refusal(part, controllers, errnoOf(cause) ?? String(cause)));
    }
  }
  return ok(new RunGroup(files, parts));
}

function folderName(run: RunId): string {
  return RUN_PREFIX + run.replace(/[^\w.:-]/g, '_');
}

interface Base {
  readonly hierarchy: Hierarchy;
  readonly base: string;
  readonly controllers: readonly Controller[];
}

/** Where each controller's part of a group can be made; the first one is memory's where that is needed. */
function findBases(files: GroupFiles, needed: readonly Controller[]): Result<readonly Base[], StartFailure> {
  const hierarchies = hierarchiesOf(files);
  const unified = hierarchies.find(({ version }) => version === 2);
  const wanted = new Map<Hierarchy, Controller[]>();
  for (const controller of needed) {
    // A controller that a hierarchy of version 1 has is not in the unified one.
    const hierarchy = hierarchies.find(({ controllers }) => controllers.includes(controller)) ?? unified;
    if (hierarchy === undefined) {
      return err({
        code: 'limit-refused',
        message: `limit ${LIMIT_OF[controller]} needs a control group with the controller ${controller}, and there is none here`,
        help: `leave ${LIMIT_OF[controller]} out of \`limits\`, or run on Linux with control groups mounted`,
      });
    }
    wanted.set(hierarchy, [...(wanted.get(hierarchy) ?? []), controller]);
  }
  const bases: Base[] = [];
  for (const [hierarchy, controllers] of wanted) {
    const base = findBase(files, hierarchy, controllers);
    if (!base.ok) return err(noPlace(hierarchy, controllers, base.error));
    bases.push({ hierarchy, base: base.value, controllers });
  }
  return ok(bases);
}

const LIMIT_OF: Readonly<Record<Controller, keyof Limits>> = { memory: 'memory', cpu: 'cpus' };

function noPlace(hierarchy: Hierarchy, controllers: readonly Controller[], why: string): StartFailure {
  const names = controllers.map((controller) => LIMIT_OF[controller]).join(' and ');
  return {
    code: 'limit-refused',
    message: `no control group can be made for limit ${names}: ${why}`,
    help:
      hierarchy.version === 2
        ? 'start setpoint in a group that is delegated to it, such as `systemd-run --user --scope -p Delegate=yes setpoint up`, or leave the limit out'
        : `start setpoint as a user who may write to ${hierarchy.own}, or leave the limit out`,
  };
}

function refusal(part: GroupFolder, controllers: readonly Controller[], code: string): StartFailure {
  const names = controllers.map((controller) => LIMIT_OF[controller]).join(' and ');
  return {
    code: 'limit-refused',
    message: `limit ${names} could not be set in ${part.dir} (${code})`,
    help:
      code === 'EINVAL'
        ? 'an enclosing control group may allow less; give a smaller value'
        : 'see whether control groups can be made there, or leave the limit out',
  };
}

function makePart(files: GroupFiles, part: GroupFolder, controllers: readonly Controller[]): void {
  const parent = dirname(part.dir);
  for (let attempt = 1; ; attempt += 1) {
    try {
      makeUnlessThere(files, parent);
      const enabled = part.version === 2 ? enableControllers(files, parent, controllers) : ok(undefined);
      if (!enabled.ok && enabled.error !== 'ENOENT')
        throw Object.assign(new Error(), { code: enabled.error });
      files.make(part.dir);
      return;
    } catch (cause) {
      if (errnoOf(cause) !== 'ENOENT' || attempt === MAKE_ATTEMPTS) throw cause;
    }
  }
}

function setLimits(
  files: GroupFiles,
  { version, dir }: GroupFolder,
  controllers: readonly Controller[],
  limits: Limits,
): void {
  const setIfThere = (name: string, value: string): void => {
    if (files.read(`${dir}/${name}`) !== undefined) files.write(`${dir}/${name}`, value);
  };
  if (controllers.includes('memory') && limits.memory !== undefined) {
    const bytes = String(limits.memory);
    files.write(`${dir}/${version === 2 ? 'memory.max' : 'memory.limit_in_bytes'}`, bytes);
    // What is swapped out would not count otherwise. The files are missing where swap is not counted at all.
    if (version === 2) setIfThere('memory.swap.max', '0');
    else setIfThere('memory.memsw.limit_in_bytes', bytes);
    // The unit dies as a whole: a service that lost a process at random is in no state that anybody has thought of.
    if (version === 2) setIfThere('memory.oom.group', '1');
  }
  if (controllers.includes('cpu') && limits.cpus !== undefined) {
    const period = limits.cpus * USUAL_PERIOD_US < MIN_QUOTA_US ? LONGEST_PERIOD_US : USUAL_PERIOD_US;
    const quota = Math.round(limits.cpus * period);
    if (version === 2) files.write(`${dir}/cpu.max`, `${quota} ${period}`);
    else {
      files.write(`${dir}/cpu.cfs_period_us`, String(period));
      files.write(`${dir}/cpu.cfs_quota_us`, String(quota));
    }
  }
}

function hierarchiesOf(files: GroupFiles): readonly Hierarchy[] {
  return parseHierarchies(files.read('/proc/self/mountinfo') ?? '', files.read('/proc/self/cgroup') ?? '');
}

/** This process may be in other groups than the one that made it, so its other parts are looked for by their names. */
function openGroup(files: GroupFiles, path: string): Cgroup | undefined {
  const parent = dirname(path);
  const suffix = `/${basename(parent)}/${basename(path)}`;
  // What stands in a record is not trusted with other people's groups.
  if (!/^\/setpoint\.\d+\/run-[\w.:-]+$/.test(suffix) || path.includes('/../')) return undefined;
  const hierarchies = withLimits(hierarchiesOf(files));
  const home = hierarchies.find(({ mount }) => path.startsWith(`${mount}/`));
  if (home === undefined) return undefined;
  const above = dirname(parent).slice(home.mount.length);
  const parts = hierarchies.flatMap((hierarchy) => {
    if (hierarchy === home) return partIn(files, hierarchy, [dirname(parent)], suffix);
    const { version, mount, own } = hierarchy;
    if (version === 2 || home.version === 2) return [];
    return partIn(files, hierarchy, [...upTo(mount, own), ...upTo(mount, mount + above)], suffix);
  });
  return parts.length === 0 ? undefined : new RunGroup(files, parts, path);
}

function openNamed(files: GroupFiles, suffix: string): Cgroup | undefined {
  const parts = withLimits(hierarchiesOf(files)).flatMap((hierarchy) =>
    partIn(files, hierarchy, upTo(hierarchy.mount, hierarchy.own), suffix),
  );
  return parts.length === 0 ? undefined : new RunGroup(files, parts);
}

/** Those in which a group may have a part, memory's before the processors'. */
function withLimits(hierarchies: readonly Hierarchy[]): readonly Hierarchy[] {
  const rank = ({ version, controllers }: Hierarchy): number =>
    version === 2 || controllers.includes('memory') ? 0 : controllers.includes('cpu') ? 1 : 2;
  return hierarchies.filter((each) => rank(each) < 2).toSorted((a, b) => rank(a) - rank(b));
}

/** The part that lies under this name in the first of these places that has it. */
function partIn(
  files: GroupFiles,
  { version }: Hierarchy,
  places: readonly string[],
  suffix: string,
): readonly GroupFolder[] {
  const dirs = places.map((place) => place + suffix);
  const dir = dirs.find((folder) => files.read(`${folder}/cgroup.procs`) !== undefined);
  return dir === undefined ? [] : [{ version, dir }];
}
