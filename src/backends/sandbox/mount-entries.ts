import { err, ok, type Result } from '../../core/util/result.ts';
import { SHARED } from './base.ts';
import type { StartFailure } from '../../core/exit.ts';
import type { Mount, SandboxSpec } from '../../core/service.ts';
import { isWithin } from '../../core/util/path.ts';
import type { RunPaths } from '../../ports/encloser.ts';
import {
  type SandboxedLaunch,
  type MachineFacts,
  normalPath,
  parentOf,
  type FilesystemEntry,
  realPath,
} from './filesystem.ts';

/** What the launch and the run itself ask for, in the order in which a later one wins over an earlier one of its target. */
export function mountEntries(
  launch: SandboxedLaunch,
  own: RunPaths,
  facts: MachineFacts,
): Result<readonly FilesystemEntry[], StartFailure> {
  const places: FilesystemEntry[] = [];
  const { sandbox, cwd, socket } = launch;
  if (sandbox === undefined) {
    // A mount may cover the folder that they are in.
    for (const path of own.read) places.push(...existing(path, 'write', facts));
  } else {
    // First, so that they cover whatever wider folder is let in, and give way to what is named as such.
    for (const path of facts.hidden) {
      if (facts.look(path) !== undefined)
        places.push({ kind: 'tmpfs', target: normalPath(path), mode: 0o700 });
    }
    for (const path of own.read) places.push(...existing(path, 'read', facts));
    // Where it is the root, a shared folder or the home, the sandbox has one of its own.
    const ofItsOwn = ['/', ...SHARED, launch.env['HOME']].flatMap((path) => path ?? []);
    if (!ofItsOwn.some((path) => realPath(path, facts) === realPath(cwd, facts))) {
      places.push(...existing(cwd, 'read', facts));
    }
    for (const path of own.write) places.push(...existing(path, 'write', facts));
    const listed = listedPlaces(sandbox, facts);
    if (!listed.ok) return listed;
    const folder = socket === undefined ? ok([]) : socketFolder(socket, launch, facts);
    if (!folder.ok) return folder;
    places.push(...listed.value, ...folder.value);
  }
  for (const mount of launch.mounts) {
    const mounted = mountPlace(mount, facts);
    if (!mounted.ok) return mounted;
    places.push(...mounted.value);
  }
  return ok(places);
}

function existing(path: string, access: 'read' | 'write', facts: MachineFacts): readonly FilesystemEntry[] {
  const target = normalPath(path);
  const fact = facts.look(target);
  return fact === undefined
    ? []
    : [{ kind: 'bind', source: fact.real, target, access: accessTo(target, access) }];
}

/** A device file is of no use where devices are not allowed. */
function accessTo(target: string, access: 'read' | 'write'): 'read' | 'write' | 'device' {
  return isWithin(target, '/dev') ? 'device' : access;
}

function listedPlaces(
  sandbox: SandboxSpec,
  facts: MachineFacts,
): Result<readonly FilesystemEntry[], StartFailure> {
  const places: FilesystemEntry[] = [];
  for (const access of ['read', 'write'] as const) {
    for (const path of sandbox[access]) {
      const found = existing(path, access, facts);
      if (found.length === 0) {
        return err({
          code: 'mount-missing',
          message: `\`sandbox.${access}\` names ${path}, which does not exist`,
          help: 'create it before the service starts, or correct the path',
        });
      }
      if (normalPath(path) === '/') {
        return err({
          code: 'sandbox-unavailable',
          message: `\`sandbox.${access}\` names the root folder, which leaves nothing of the sandbox`,
          help: 'name the folders that the service needs, or leave out `sandbox`',
        });
      }
      places.push(...found);
    }
  }
  return ok(places);
}

/** Sockets are made, removed and found by their folder. */
function socketFolder(
  socket: string,
  launch: SandboxedLaunch,
  facts: MachineFacts,
): Result<readonly FilesystemEntry[], StartFailure> {
  const folder = parentOf(normalPath(socket));
  const real = realPath(folder, facts);
  const common = [...SHARED, '/', '/dev/shm', launch.env['HOME'], launch.env['XDG_RUNTIME_DIR']];
  if (common.some((path) => path !== undefined && realPath(path, facts) === real)) {
    return err({
      code: 'sandbox-unavailable',
      message: `the sandbox would have to give the whole of ${folder} for the service's socket ${socket}`,
      help: 'put the socket into a folder of its own',
    });
  }
  const found = existing(folder, 'write', facts);
  if (found.length > 0) return ok(found);
  return err({
    code: 'mount-missing',
    message: `the folder of the service's socket does not exist: ${folder}`,
    help: 'create it before the service starts',
  });
}

function mountPlace(mount: Mount, facts: MachineFacts): Result<readonly FilesystemEntry[], StartFailure> {
  const target = normalPath(mount.target);
  if (!mount.target.startsWith('/') || target === '/' || isWithin(target, '/proc')) {
    return err({
      code: 'other',
      message: `a mount cannot have the target ${JSON.stringify(mount.target)}`,
      help: 'give an absolute path other than / and /proc',
    });
  }
  switch (mount.type) {
    case 'tmpfs': {
      const { size, mode = 0o1777 } = mount;
      return ok([{ kind: 'tmpfs', target, mode, ...(size === undefined ? {} : { size }) }]);
    }
    case 'volume':
      return err({
        code: 'other',
        message: `the volume ${mount.source === '' ? `at ${target}` : `\`${mount.source}\``} belongs to a container engine, and this service is a process of the machine`,
        help: 'mount a folder, or run the service with `backend: docker`',
      });
    case 'bind': {
      const access = mount.readOnly ? 'read' : 'write';
      const [found] = existing(mount.source, access, facts);
      if (found?.kind === 'bind')
        return ok([{ ...found, access: accessTo(normalPath(mount.source), access), target }]);
      if (mount.optional) return ok([]);
      return err({
        code: 'mount-missing',
        message: `the source ${mount.source} of the mount at ${target} does not exist`,
        help: 'create it, correct the path, or mark the mount `optional`',
      });
    }
  }
}
