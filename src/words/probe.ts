import type { ProbeFailure } from '../core/event.ts';
import { unreachable } from '../core/util/result.ts';

/** What made a probe take back a success: "http http://127.0.0.1/ failed 3 times in a row: HTTP 503". */
export function describeProbeFailure(failure: ProbeFailure): string {
  switch (failure.kind) {
    case 'failed': {
      const output = failure.output === '' ? '' : `: ${failure.output}`;
      return `${failure.what} failed${inARow(failure.failures)}${output}`;
    }
    case 'reported': {
      const row = inARow(failure.failures ?? 0);
      return `${failure.output}${row === '' ? '' : `,${row}`}`;
    }
    case 'text':
      return failure.text;
    default:
      return unreachable(failure);
  }
}

function inARow(failures: number): string {
  return failures > 1 ? ` ${failures} times in a row` : '';
}
