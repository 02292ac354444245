import type { ConcreteLaunch } from '../../core/launch.ts';

/** What is at a path of the machine. */
export interface PathFact {
  /** Without symbolic links on the way. */
  readonly real: string;
  readonly kind: 'directory' | 'other';
}

/** An entry of the machine's root folder; `link` is the text of a symbolic link. */
export interface RootEntry {
  readonly name: string;
  readonly link?: string;
}

/** What must be known of the machine to lay out a file system. Asked for as it is now. */
export interface MachineFacts {
  /** Undefined where there is nothing. */
  readonly look: (path: string) => PathFact | undefined;
  readonly rootEntries: () => readonly RootEntry[];
  /** Absolute folders that no sandboxed service sees, such as the one of the daemon's own socket. */
  readonly hidden: readonly string[];
  /** Options of the installed bwrap(1), such as `--perms`. */
  readonly options: ReadonlySet<string>;
  /** Whether this process is root, so that bwrap needs no user namespace. */
  readonly root: boolean;
}

/** The part of a launch that says where it runs. */
export type SandboxedLaunch = Pick<
  ConcreteLaunch,
  'argv' | 'cwd' | 'env' | 'ports' | 'socket' | 'user' | 'tty' | 'mounts' | 'sandbox'
>;

/** One thing at one place. Later ones cover earlier ones; `target` holds no symbolic link. */
export type FilesystemEntry =
  | {
      readonly kind: 'bind';
      readonly source: string;
      readonly target: string;
      readonly access: 'read' | 'write' | 'device';
    }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly size?: number; readonly mode?: number }
  | { readonly kind: 'link'; readonly text: string; readonly target: string };

export interface SandboxLayout {
  /** `whole`: the machine's root as one; `built`: an empty one into which `places` bring all there is. */
  readonly root: 'whole' | 'built';
  readonly entries: readonly FilesystemEntry[];
  /** Whether a service in there can open this path, links on the way followed. */
  readonly sees: (path: string) => boolean;
  readonly mayWrite: (path: string) => boolean;
  /** What on the machine that is; undefined where there is nothing, or nothing that is on disk. */
  readonly hostPath: (path: string) => string | undefined;
}

export function normalPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}

/** The path without links, as far as there is anything. */
export function realPath(path: string, facts: Pick<MachineFacts, 'look'>): string {
  const normal = normalPath(path);
  for (let at = normal; at !== '/'; at = parentOf(at)) {
    const fact = facts.look(at);
    if (fact !== undefined) return normalPath(`${fact.real}${normal.slice(at.length)}`);
  }
  return normal;
}
