import { type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import type { StartFailure } from '../../core/exit.ts';
import type { ConcreteLaunch } from '../../core/launch.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { Mount } from '../../core/service.ts';
import { allMounts, type HostFacts } from './definition.ts';

type Bind = Extract<Mount, { type: 'bind' }>;

/**
 * Looks at what a launch mounts of the host. Every source has to be there that is not optional; nothing is made. Of an
 * engine on another machine (`isLocal` false) the sources are that machine's: the engine itself checks them, and only what
 * is to be hidden is looked for in the folders of the same name here.
 */
export function lookAtHost(launch: ConcreteLaunch, isLocal: boolean): Result<HostFacts, StartFailure> {
  const git: Record<string, 'folder' | 'file'> = {};
  const absent: string[] = [];
  for (const mount of allMounts(launch)) {
    if (mount.type !== 'bind') continue;
    const source = look(mount.source);
    if (isLocal && source === 'unreadable') return err(unreadable(mount));
    if (isLocal && source === undefined) {
      if (!mount.optional) return err(missing(mount));
      absent.push(mount.target);
      continue;
    }
    const kind = launch.container?.hideGit === true ? gitOf(mount.source) : undefined;
    if (kind !== undefined) git[mount.target] = kind;
  }
  return ok({ git, absent });
}

/** A linked worktree and a submodule have a file there; a link counts as what it leads to, for so does a mount on it. */
function gitOf(folder: string): 'folder' | 'file' | undefined {
  const found = look(join(folder, '.git'));
  if (found === undefined || found === 'unreadable') return undefined;
  return found.isDirectory() ? 'folder' : 'file';
}

function look(path: string): Stats | 'unreadable' | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOTDIR' || code === 'ELOOP' ? undefined : 'unreadable';
  }
}

function missing({ source, target }: Bind): StartFailure {
  return {
    code: 'mount-missing',
    message: `what is to be mounted at ${target} does not exist: ${source}`,
    help: 'create it, correct the path, or say `optional: true` where it may be missing',
  };
}

function unreadable({ source, target }: Bind): StartFailure {
  return {
    code: 'mount-missing',
    message: `what is to be mounted at ${target} cannot be looked at: ${source}`,
    help: 'mend the permissions of the folders above it',
  };
}
