import { errnoOf, messageOf } from '../core/util/system-error.ts';
/** What went wrong, what it means, and what can be done about it. */
export function explainWatchFailure(error: unknown, path: string): string {
  switch (errnoOf(error) ?? '') {
    case 'ENOSPC':
      return (
        `cannot watch all of ${path}: the system's limit of watched files is reached, so some changes will go ` +
        'unseen. Watch less (`watch.paths`, `watch.ignore`), or raise the limit (sysctl fs.inotify.max_user_watches)'
      );
    case 'EMFILE':
    case 'ENFILE':
      return (
        `cannot watch ${path}: too many files are open, or too many programs watch files, so changes will go unseen. ` +
        'Raise the limits (ulimit -n, sysctl fs.inotify.max_user_instances)'
      );
    case 'EACCES':
    case 'EPERM':
      return (
        `cannot watch ${path}: permission denied, so changes there will go unseen. ` +
        'Let its owner allow reading it, or add it to `watch.ignore`'
      );
    default:
      return `cannot watch ${path}: ${messageOf(error)}`;
  }
}

export function pathOf(error: unknown): string | undefined {
  return error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : undefined;
}
