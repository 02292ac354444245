import { errnoOf, explainErrno } from '../core/util/system-error.ts';
/**
 * The disk refused a write of the store. `code` is the errno name (`ENOSPC`, `EACCES`, ...), or `EUNKNOWN` where there
 * is none; the message names the file and is meant for people.
 */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: string;
  readonly path: string;

  constructor(path: string, doing: string, cause: unknown) {
    super(`cannot ${doing} ${path}: ${explainErrno(cause)}`, { cause });
    this.code = errnoOf(cause) ?? 'EUNKNOWN';
    this.path = path;
  }
}
