import type { StartFailure } from '../../core/exit.ts';
import type { StartRequest } from '../../ports/backend.ts';

/** Every launcher is a script of this shell. */
export const SHELL = '/bin/sh';

const SHORTAGES = new Set(['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM']);
const UNWRITABLE = new Set([
  'ENOSPC',
  'EROFS',
  'EDQUOT',
  'EACCES',
  'EPERM',
  'EIO',
  'ENOENT',
  'ENOTDIR',
  'ENXIO',
  'EISDIR',
]);

/** Turns what the system said of a start into a failure. Never quotes arguments or environment, which may be secret. */
export function describeFailure(cause: unknown, request: StartRequest): StartFailure {
  const error = cause instanceof Error ? (cause as NodeJS.ErrnoException) : undefined;
  const code = error?.code ?? 'unknown error';
  const inSpawn = error?.syscall?.startsWith('spawn') === true;
  if (code === 'E2BIG') {
    return {
      code: 'arguments-too-long',
      message: 'command and environment together are longer than the system allows (E2BIG)',
      help: 'pass less in `command` and `env`; a single value may have 128 KiB at most',
    };
  }
  if (SHORTAGES.has(code))
    return { code: 'resource-shortage', message: `the system is short of a resource (${code})` };
  if (inSpawn && code === 'EACCES') {
    return {
      code: 'missing-cwd',
      message: `working directory ${request.launch.cwd} cannot be entered (EACCES)`,
      help: 'mend its permissions, or correct `cwd`',
    };
  }
  if (inSpawn && code === 'ENOENT') {
    return {
      code: 'other',
      message: `${SHELL} or the working directory ${request.launch.cwd} has just vanished`,
    };
  }
  if (!inSpawn && UNWRITABLE.has(code)) {
    return {
      code: 'state-unwritable',
      message: `${error?.path ?? request.instanceDir} cannot be written (${code})`,
      help: `free space or mend the permissions of ${request.instanceDir}`,
    };
  }
  return { code: 'other', message: `the process could not be made (${code})` };
}
