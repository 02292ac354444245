import { constants } from 'node:os';
import type { Exit } from '../../core/exit.ts';
import type { RunId } from '../../core/state.ts';
import { LIMIT_REFUSED, OWN_PIDS } from './launcher.ts';

/** What the launcher has written of a run. */
export interface LauncherRecord {
  /** Absent until right before the service begins. */
  readonly begun?: LauncherStart;
  /** The service's status as a shell has it; absent while it runs. */
  readonly status?: number;
  /** What the shell had to say: once the service was begun, that is how it was killed. */
  readonly noise: string;
}

export interface LauncherStart {
  readonly bootId: string;
  /** The pids are those of a namespace that the launcher, or what it runs under, begins: not the machine's. */
  readonly ownPids: boolean;
  readonly launcherPid: number;
  readonly servicePid: number;
}

/** Reads the launcher's file as far as it is complete and of this run. */
export function parseRecord(text: string, run: RunId): LauncherRecord {
  // What follows the last line end is still being written.
  const lines = text.split('\n').slice(0, -1);
  const at = lines.findIndex((line) => line.startsWith(`begun ${run} `));
  const begun = at < 0 ? undefined : parseBegun(lines[at]?.slice(`begun ${run} `.length) ?? '');
  const rest = lines.slice(at + 1);
  const ended = rest.find((line) => line.startsWith(`ended ${run} `))?.slice(`ended ${run} `.length);
  const noise = rest.filter((line) => !/^(begun|ended) /.test(line)).join('\n');
  return {
    noise,
    ...(begun === undefined ? {} : { begun }),
    ...(ended !== undefined && /^\d+$/.test(ended) ? { status: Number(ended) } : {}),
  };
}

function parseBegun(text: string): LauncherStart | undefined {
  const match = /^(\S+) (\d+) (\d+)$/.exec(text);
  if (match === null) return undefined;
  const [, boot = '', launcher, service] = match;
  const ownPids = boot.endsWith(OWN_PIDS);
  return {
    bootId: ownPids ? boot.slice(0, -OWN_PIDS.length) : boot,
    ownPids,
    launcherPid: Number(launcher),
    servicePid: Number(service),
  };
}

/** All that is known once the launcher is gone. */
interface EndFacts {
  readonly record: LauncherRecord;
  /** How the launcher itself ended, where it was a child of this process. */
  readonly launcher?: { readonly code: number | null; readonly signal: string | null } | undefined;
  /** Signals that were sent to the service or its unit. */
  readonly sent: ReadonlySet<string>;
  /** Said of an end without a trace. */
  readonly otherwise: string;
  /** Asked of a death by a SIGKILL that was not sent by us: what tells that the kernel lacked memory, if anything does. */
  readonly oom?: () => string | undefined;
}

/**
 * How the service ended.
 *
 * A shell gives a death by signal n the status 128 + n, which a program may also return by itself; but it also names
 * the signal on its stderr. Of SIGINT and SIGPIPE alone shells say nothing: 130 and 141 count as deaths by signal only
 * if that very signal was sent by us, and as exit codes otherwise.
 */
export function decideExit(facts: EndFacts): Exit {
  const exit = endOf(facts);
  if (exit.kind !== 'signal' || exit.signal !== 'SIGKILL' || facts.sent.has('SIGKILL')) return exit;
  const evidence = facts.oom?.();
  return evidence === undefined ? exit : { kind: 'oom', evidence };
}

function endOf(facts: EndFacts): Exit {
  const { record, launcher, sent } = facts;
  if (record.status !== undefined) return fromStatus(record.status, record.noise, sent);
  if (typeof launcher?.code === 'number') return withoutRecord(launcher.code, record);
  if (sent.has('SIGKILL')) return { kind: 'signal', signal: 'SIGKILL' };
  if (typeof launcher?.signal === 'string') {
    // Only before its traps are set does a launcher die of the signals that we send.
    if (sent.has(launcher.signal)) return { kind: 'signal', signal: launcher.signal };
    return { kind: 'unknown', why: `its launcher was killed by ${launcher.signal}` };
  }
  return { kind: 'unknown', why: facts.otherwise };
}

function fromStatus(status: number, noise: string, sent: ReadonlySet<string>): Exit {
  if (status === LIMIT_REFUSED && noise !== '') {
    return {
      kind: 'spawn-error',
      failure: { code: 'limit-refused', message: `a limit could not be set: ${firstLine(noise)}` },
    };
  }
  const signal = status > 128 ? signalName(status - 128) : undefined;
  if (signal === undefined) return { kind: 'code', code: status };
  const silent = signal === 'SIGINT' || signal === 'SIGPIPE';
  const killed = silent ? sent.has(signal) : noise !== '';
  return killed ? { kind: 'signal', signal } : { kind: 'code', code: status };
}

/** The launcher ends with the service's status, which helps where the disk took no record; or it could not begin. */
function withoutRecord(status: number, { begun, noise }: LauncherRecord): Exit {
  if (begun === undefined && noise !== '') {
    // Shells word it differently; all speak of the fork.
    const shortage = /\bfork\b/i.test(noise);
    const code = shortage
      ? 'resource-shortage'
      : noise.startsWith('bwrap: ')
        ? 'sandbox-unavailable'
        : 'other';
    const message = `its launcher could not begin: ${firstLine(noise)}`;
    return { kind: 'spawn-error', failure: { code, message } };
  }
  if (status <= 128) return { kind: 'code', code: status };
  return {
    kind: 'unknown',
    why: `status ${status}, and the disk took no record that tells a signal from a code`,
  };
}

function firstLine(text: string): string {
  return (text.split('\n', 1)[0] ?? '').slice(0, 300);
}

/** `SIGTERM` for 15; undefined where there is no such signal. */
export function signalName(number: number): string | undefined {
  const named = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return named ?? (number >= 32 && number <= 64 ? `signal ${number}` : undefined);
}

export function signalNumber(name: string): number | undefined {
  return new Map<string, number>(Object.entries(constants.signals)).get(name);
}
