/** The controllers that limits ask for. */
export type Controller = 'memory' | 'cpu';

/** A hierarchy of control groups that this process can see, with its own place in it. */
export interface Hierarchy {
  /** 2 is the unified one; of version 1 there is one for each set of controllers. */
  readonly version: 1 | 2;
  /** Of version 1 only; what a group of version 2 has is said in its `cgroup.controllers`. */
  readonly controllers: readonly string[];
  /** Absolute path of the folder where it is mounted. */
  readonly mount: string;
  /** Absolute path of the group that this process is in; within `mount`. */
  readonly own: string;
}

interface Mount {
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
  /** The group that the mount shows as its top. */
  readonly root: string;
  readonly mount: string;
}

/**
 * The hierarchies in which this process has a visible place, from texts like /proc/self/mountinfo (proc(5)) and
 * /proc/self/cgroup (cgroups(7)). Where one is mounted more than once, the first mount that shows the place counts.
 */
export function parseHierarchies(mountinfo: string, membership: string): readonly Hierarchy[] {
  const mounts = mountinfo.split('\n').flatMap(parseMount);
  return membership.split('\n').flatMap((line): Hierarchy[] => {
    const [, id, names, group] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (names === undefined || group === undefined) return [];
    const controllers = names.split(',').filter((name) => name !== '' && !name.startsWith('name='));
    const unified = id === '0' && names === '';
    if (!unified && controllers.length === 0) return [];
    for (const mount of mounts) {
      const own = placeIn(mount, group);
      if (own === undefined || (mount.version === 2) !== unified) continue;
      if (!controllers.every((name) => mount.controllers.includes(name))) continue;
      return [{ version: mount.version, controllers, mount: mount.mount, own }];
    }
    return [];
  });
}

function parseMount(line: string): Mount[] {
  const [before = '', after = ''] = line.split(' - ');
  const [, , , root, mount] = before.split(' ');
  const [type, , options = ''] = after.split(' ');
  if (root === undefined || mount === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return [];
  const version = type === 'cgroup2' ? 2 : 1;
  return [{ version, controllers: options.split(','), root: unescape(root), mount: unescape(mount) }];
}

/** Blanks and backslashes stand there as three octal digits. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function placeIn({ root, mount }: Mount, group: string): string | undefined {
  // A group above the top of the process's cgroup namespace.
  if (group === '/..' || group.startsWith('/../')) return undefined;
  if (root === '/') return group === '/' ? mount : mount + group;
  if (group === root) return mount;
  return group.startsWith(`${root}/`) ? mount + group.slice(root.length) : undefined;
}

/** `from` and the folders above it, up to and with `top`, which has to be one of them. */
export function upTo(top: string, from: string): readonly string[] {
  const folders: string[] = [];
  for (let at = from; at.length >= top.length; at = at.slice(0, at.lastIndexOf('/'))) folders.push(at);
  return folders;
}
