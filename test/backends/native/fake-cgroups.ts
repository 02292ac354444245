import type { GroupFiles } from '../../../src/host/cgroup/files.ts';

interface Group {
  readonly controllers: readonly string[];
  readonly handedOn: Set<string>;
  readonly procs: Set<number>;
  readonly values: Map<string, string>;
}

const ROOT = '/sys/fs/cgroup';
const OF_CONTROLLER: Readonly<Record<string, readonly string[]>> = {
  memory: ['memory.max', 'memory.swap.max', 'memory.oom.group', 'memory.events', 'memory.stat'],
  cpu: ['cpu.max'],
};
const OF_ALL = ['cgroup.kill', 'cpu.stat'];

function fail(code: string): never {
  throw Object.assign(new Error(code), { code });
}

/**
 * The unified hierarchy with the kernel's rules: a group but the top one that holds processes hands no controllers on,
 * and takes none in once it does; it is removed only when empty; only what is writable is written to.
 */
export class FakeCgroups implements GroupFiles {
  readonly groups = new Map<string, Group>();
  readonly written: string[] = [];
  /** Groups that this user may write to, with all below them. */
  readonly allowed: readonly string[];
  readonly #own: string;

  /** `tree`: groups from above to below, with the controllers that each hands on and the processes in it. */
  constructor(
    tree: Readonly<Record<string, { handsOn?: readonly string[]; procs?: readonly number[] }>>,
    { own, allowed = ['/'] }: { own: string; allowed?: readonly string[] },
  ) {
    this.#own = own;
    this.allowed = allowed.map(pathOf);
    for (const [name, { handsOn = [], procs = [] }] of Object.entries(tree)) {
      this.#add(pathOf(name), name === '/' ? ['cpu', 'memory', 'pids'] : undefined);
      for (const controller of handsOn) this.groups.get(pathOf(name))?.handedOn.add(controller);
      for (const pid of procs) this.groups.get(pathOf(name))?.procs.add(pid);
    }
  }

  group(name: string): Group | undefined {
    return this.groups.get(pathOf(name));
  }

  read(path: string): string | undefined {
    if (path === '/proc/self/cgroup') return `0::${this.#own}\n`;
    if (path === '/proc/self/mountinfo')
      return `41 31 0:38 / ${ROOT} rw,relatime shared:9 - cgroup2 cgroup2 rw\n`;
    const [group, name, folder] = this.#file(path);
    if (!this.groups.has(folder)) return undefined;
    if (name === 'cgroup.controllers') return `${group.controllers.join(' ')}\n`;
    if (name === 'cgroup.subtree_control') return `${[...group.handedOn].join(' ')}\n`;
    if (name === 'cgroup.procs') return [...group.procs].map((pid) => `${pid}\n`).join('');
    return group.values.get(name);
  }

  write(path: string, text: string): void {
    const [group, name, folder] = this.#file(path);
    if (!this.writable(folder)) fail('EACCES');
    if (name === 'cgroup.subtree_control') {
      for (const word of text.split(' ')) {
        if (!group.controllers.includes(word.slice(1))) fail('ENOENT');
        if (group.procs.size > 0 && folder !== ROOT) fail('EBUSY');
        group.handedOn.add(word.slice(1));
      }
    } else if (name === 'cgroup.procs') {
      if (group.handedOn.size > 0 && folder !== ROOT) fail('EBUSY');
      for (const other of this.groups.values()) other.procs.delete(Number(text));
      group.procs.add(Number(text));
    } else if (group.values.has(name)) group.values.set(name, text);
    else fail('ENOENT');
    this.written.push(`${path.slice(ROOT.length)} ${text}`);
  }

  make(folder: string): void {
    if (this.groups.has(folder)) fail('EEXIST');
    if (!this.groups.has(parentOf(folder))) fail('ENOENT');
    if (!this.writable(parentOf(folder))) fail('EACCES');
    this.#add(folder);
  }

  remove(folder: string): void {
    const group = this.groups.get(folder) ?? fail('ENOENT');
    if (group.procs.size > 0 || this.folders(folder).length > 0) fail('EBUSY');
    this.groups.delete(folder);
  }

  folders(folder: string): readonly string[] {
    return [...this.groups.keys()]
      .filter((path) => path !== folder && parentOf(path) === folder)
      .map((path) => path.slice(folder.length + 1));
  }

  writable(path: string): boolean {
    return this.allowed.some((top) => path === top || path.startsWith(`${top}/`));
  }

  #add(path: string, controllers = [...(this.groups.get(parentOf(path))?.handedOn ?? [])]): void {
    const names = [...OF_ALL, ...controllers.flatMap((controller) => OF_CONTROLLER[controller] ?? [])];
    this.groups.set(path, {
      controllers,
      handedOn: new Set(),
      procs: new Set(),
      values: new Map(names.map((name) => [name, ''])),
    });
  }

  #file(path: string): [group: Group, name: string, folder: string] {
    const folder = parentOf(path);
    const missing: Group = { controllers: [], handedOn: new Set(), procs: new Set(), values: new Map() };
    return [this.groups.get(folder) ?? missing, path.slice(folder.length + 1), folder];
  }
}

function pathOf(name: string): string {
  return name === '/' ? ROOT : ROOT + name;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
