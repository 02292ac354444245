import type { Cause, FieldChange } from './event.ts';
import { unreachable } from './util/result.ts';

/** Stands for the new value of a field whose old and new value look the same once masked. */
export const SECRET_CHANGED = '(secret changed)';

/** The same for values that differ behind where they are cut for display. */
export const CHANGED_FURTHER_ON = '(changed further on)';

/** The same for what lies beside the manifest: a flake's files, a build's context. */
export const CONTENT_CHANGED = '(content changed)';

/** A cause in a few words, for states and logs. */
export function describeCause(cause: Cause): string {
  switch (cause.kind) {
    case 'added':
      return 'added';
    case 'removed':
      return 'removed from the manifest';
    case 'changed':
      return cause.fields.map(describeChange).join(', ');
    case 'dependency':
      return `${cause.service} ${cause.what}`;
    case 'user':
      return cause.what;
    case 'scaled':
      return `scaled ${cause.from} -> ${cause.to}`;
    case 'policy':
    case 'shutdown':
      return cause.reason;
    case 'schedule':
      return cause.what;
    case 'files':
      return `${cause.paths.join(', ')}${cause.more === 0 ? '' : ` and ${cause.more} more`} changed`;
    case 'not-running':
      return `was ${cause.was}`;
    default:
      return unreachable(cause);
  }
}

/** "env.PORT "8080" -> "8081"". */
export function describeChange({ field, from, to }: FieldChange): string {
  if (from === undefined) return `${field} added: ${to ?? ''}`;
  if (to === undefined) return `${field} removed, was ${from}`;
  if (to === SECRET_CHANGED || to === CHANGED_FURTHER_ON || to === CONTENT_CHANGED) return `${field} ${to}`;
  return `${field} ${from} -> ${to}`;
}
