import { constants } from 'node:os';
import type { Exit } from '../../core/exit.ts';

/** What the engine says of a container that has ended. */
export interface ContainerExitFacts {
  readonly code: number;
  readonly oomKilled: boolean;
  /** Whether the engine was there when it ended. */
  readonly witnessed: boolean;
  /** Signals that were sent to it through us. */
  readonly sent: ReadonlySet<string>;
}

const SIGKILL_STATUS = 137;
/** What an engine that comes back says of a container that has ended meanwhile, having nothing better to say. */
const UNSEEN_STATUS = 255;

/**
 * How the run ended. The engine reports a death by signal n as the status 128 + n, which a program may return by itself:
 * it counts as a death by signal where that very signal was sent by us, and as that exit code otherwise.
 */
export function exitOf({ code, oomKilled, witnessed, sent }: ContainerExitFacts): Exit {
  const signal = code > 128 ? signalName(code - 128) : undefined;
  if (signal !== undefined && sent.has(signal)) return { kind: 'signal', signal };
  if (oomKilled && code === SIGKILL_STATUS) return { kind: 'oom', evidence: 'the engine says so' };
  if (code === UNSEEN_STATUS && !witnessed) {
    return { kind: 'unknown', why: 'the engine says 255, as it does where it has not seen the end itself' };
  }
  return { kind: 'code', code };
}

function signalName(number: number): string | undefined {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}
