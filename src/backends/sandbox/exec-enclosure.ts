import { realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname } from 'node:path';
import type { StartFailure } from '../../core/exit.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { SandboxSpec } from '../../core/service.ts';
import type { Encloser, PreparedEnclosure, RunPaths } from '../../ports/encloser.ts';
import { checkNetwork } from './bwrap-args.ts';
import { sandboxExecProfile } from './exec-profile.ts';
import type { SandboxedLaunch } from './filesystem.ts';

const PROGRAM = '/usr/bin/sandbox-exec';

interface ExecEncloserOptions {
  /** Absolute folders that no sandboxed service sees. */
  readonly hidden: readonly string[];
  /** The path with links resolved; undefined where there is nothing. Absent: the machine's. */
  readonly resolve?: (path: string) => string | undefined;
}

/**
 * Encloses launchers by sandbox-exec(1) of macOS, which becomes the launcher. There are no mounts on that system, and no
 * folder for temporary files of the service's own.
 */
export function createExecEncloser({ hidden, resolve = realPath }: ExecEncloserOptions): Encloser {
  return {
    prepare: ({ sandbox, mounts, ...launch }) =>
      Promise.resolve(
        mounts.length > 0
          ? err(NO_MOUNTS)
          : sandbox === undefined
            ? ok(undefined)
            : prepareSandbox(launch, sandbox, hidden, resolve),
      ),
  };
}

const NO_MOUNTS: StartFailure = {
  code: 'sandbox-unavailable',
  message: 'the mounts cannot be had: macOS has no mounts of one process alone',
  help: 'leave out `mounts`, or run the service with `backend: docker`',
};

function prepareSandbox(
  launch: Omit<SandboxedLaunch, 'mounts' | 'sandbox'>,
  sandbox: SandboxSpec,
  hidden: readonly string[],
  resolve: (path: string) => string | undefined,
): Result<PreparedEnclosure, StartFailure> {
  const failure = checkNetwork({ ...launch, sandbox }) ?? missingIn(sandbox, resolve);
  if (failure !== undefined) return err(failure);
  const real = (path: string): string => resolve(path) ?? path;
  const profile = ({ read, write }: RunPaths): string =>
    sandboxExecProfile({
      sandbox: { ...sandbox, read: sandbox.read.map(real), write: sandbox.write.map(real) },
      cwd: real(launch.cwd),
      home: real(launch.env['HOME'] ?? homedir()),
      read: read.map(real),
      write: [...write, ...(launch.socket === undefined ? [] : [dirname(launch.socket)])].map(real),
      hidden: hidden.map(real),
    });
  return ok({
    hostPath: (path) => path,
    enclose: (own) => ok({ prefix: [PROGRAM, '-p', profile(own)], launcher: 'same', ownPids: false }),
  });
}

function missingIn(
  sandbox: SandboxSpec,
  resolve: (path: string) => string | undefined,
): StartFailure | undefined {
  for (const access of ['read', 'write'] as const) {
    const missing = sandbox[access].find((path) => resolve(path) === undefined);
    if (missing === undefined) continue;
    return {
      code: 'mount-missing',
      message: `\`sandbox.${access}\` names ${missing}, which does not exist`,
      help: 'create it before the service starts, or correct the path',
    };
  }
  return undefined;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
