import type { CommandEnd } from '../core/event.ts';
import { unreachable } from '../core/util/result.ts';

/** How a command went that was run for a service: "exit 1: no such table". */
export function describeCommand({
  end,
  output,
}: {
  readonly end: CommandEnd;
  readonly output?: string;
}): string {
  const how = describeEnd(end);
  return [how, ...(output === undefined ? [] : [output])].filter((part) => part !== '').join(': ');
}

function describeEnd(end: CommandEnd): string {
  switch (end.kind) {
    case 'exited':
      return `exit ${end.code}`;
    case 'signalled':
      return `killed by ${end.signal ?? 'a signal'}`;
    case 'timed-out':
      return `no end within ${end.afterMs} ms`;
    case 'not-started':
      return 'could not be started';
    case 'unresolved':
      return '';
    case 'text':
      return end.text;
    default:
      return unreachable(end);
  }
}
