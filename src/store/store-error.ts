/**
 * The disk refused a write of the store. `code` is the errno name (`ENOSPC`, `EACCES`, ...), or `EUNKNOWN` where there
 * is none; the message names the file and is meant for people.
 */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: string;
  readonly path: string;

  constructor(path: string, doing: string, cause: unknown) {
    const code = errnoOf(cause);
    super(`cannot ${doing} ${path}: ${explainErrno(code)}`, { cause });
    this.code = code;
    this.path = path;
  }
}

/** The errno name of a system error, `EUNKNOWN` for anything else. */
export function errnoOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return 'EUNKNOWN';
}

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  ENOENT: 'no such file or folder',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  EMFILE: 'this process has too many open files',
  ENFILE: 'the machine has too many open files',
  EIO: 'input/output error',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
};

/** An errno name in words, with the name itself for those who search for it. */
export function explainErrno(code: string): string {
  const words = WORDS[code];
  return words === undefined ? code : `${words} (${code})`;
}
