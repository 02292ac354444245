import type { ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunId } from '../../core/state.ts';
import type { AdoptRequest, ProcessIdentity } from '../../ports/backend.ts';
import { type LauncherStart, parseRecord } from './exit-record.ts';
import { isAlive, readIdentity, readProcess } from '../../host/identity.ts';
import { FILES } from './launcher.ts';
import type { LauncherEnd } from './native-proc.ts';
import { findLauncher } from './pid-namespace.ts';
import { readProcFile, readText } from '../../host/proc-fs.ts';
import { signalGroup } from '../../host/process-group.ts';

/*
 * Launchers that are no children of this process: those within a terminal or an enclosure, whose program is made first
 * and makes them.
 */

/** In the environment of those programs alone: tells a later daemon that a launcher is on its way; see `untilBegun`. */
export const COMING = 'SETPOINT_LAUNCHER_OF';

const BEGIN_MS = 10_000;
const BEGIN_POLL_MS = 2;

/** What became of a launcher. */
interface InnerStart {
  /** Undefined where it never began, is late, or has ended already. */
  readonly launcher?: ProcessIdentity;
  /** The process that made it, as long as that was seen: of one within a terminal, script(1). */
  readonly parent?: ProcessIdentity;
  readonly begun: boolean;
  /** Resolves once the program around it has ended. */
  readonly ended: Promise<LauncherEnd>;
}

/** Resolves once the launcher has said who it is, or never will. */
export async function followInner(child: ChildProcess, instanceDir: string, run: RunId): Promise<InnerStart> {
  const outer = { over: false };
  const ended = new Promise<LauncherEnd>((resolve) => {
    child.once('exit', (code, signal) => {
      outer.over = true;
      resolve({ status: { code, signal }, otherwise: 'its launcher left no status' });
    });
  });
  const deadline = performance.now() + BEGIN_MS;
  for (;;) {
    // What it wrote right before its end is there by the time its end is known.
    const last = outer.over;
    const begun = begunOf(instanceDir, run);
    if (begun !== undefined) return { begun: true, ended, ...identify(begun, child.pid) };
    if (last || performance.now() > deadline) return { begun: false, ended };
    await sleep(BEGIN_POLL_MS);
  }
}

function identify(begun: LauncherStart, outer: number | undefined): Pick<InnerStart, 'launcher' | 'parent'> {
  const pid = outer === undefined ? undefined : findLauncher(begun, outer);
  const entry = pid === undefined ? undefined : readProcess(pid);
  if (entry === undefined || entry.zombie) return {};
  const [launcher, parent] = [readIdentity(entry.pid), readIdentity(entry.ppid)];
  return {
    ...(launcher === undefined ? {} : { launcher }),
    ...(parent === undefined ? {} : { parent }),
  };
}

function begunOf(instanceDir: string, run: RunId): LauncherStart | undefined {
  return parseRecord(readText(join(instanceDir, FILES.exit)), run).begun;
}

/**
 * The end of such a launcher. It may outlive the program around it, where that was killed; then `untilGone` is asked for
 * the end. Where script(1) was killed the terminal is gone, which the kernel tells the launcher alone (it outlives the
 * signal): so the service gets its SIGHUP from here. The status of the program around is the launcher's, but 128 + n may
 * as well be a launcher that was killed.
 */
export async function innerEnd(
  { launcher, parent, begun, ended }: InnerStart,
  tty: boolean,
  untilGone: (launcher: ProcessIdentity) => Promise<LauncherEnd>,
): Promise<LauncherEnd> {
  const end = await ended;
  if (launcher !== undefined && isAlive(launcher)) {
    if (tty && (parent === undefined || !isAlive(parent))) signalGroup(launcher.pid, 'SIGHUP');
    return untilGone(launcher);
  }
  if (!begun) return end;
  const code = end.status?.code;
  return typeof code === 'number' && code <= 128 ? end : { otherwise: 'its launcher was killed' };
}

const ADOPT_MS = 5000;
const ADOPT_POLL_MS = 5;

/**
 * Resolves once the launcher of a run has begun, where an earlier daemon died while the program around it was still at its
 * work: until then no process carries the run's cookie. At once where there is no such program.
 */
export async function untilBegun({ record, instanceDir }: AdoptRequest): Promise<void> {
  if (process.platform !== 'linux') return;
  const deadline = performance.now() + ADOPT_MS;
  while (begunOf(instanceDir, record.run) === undefined && performance.now() < deadline) {
    if (!isComing(record.run)) return;
    await sleep(ADOPT_POLL_MS);
  }
}

function isComing(run: RunId): boolean {
  const mark = `\0${COMING}=${run}\0`;
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const environ = readProcFile(`/proc/${name}/environ`, 2 * 1024 * 1024);
      return environ !== undefined && `\0${environ.toString('latin1')}`.includes(mark);
    } catch {
      // Short of descriptors: to wait is the safe side.
      return true;
    }
  });
}
