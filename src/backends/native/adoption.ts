import { closeSync, constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunId } from '../../core/state.ts';
import type { AdoptRequest, ProcessIdentity, RunRecord } from '../../ports/backend.ts';
import { type LauncherStart, parseRecord } from './exit-record.ts';
import { bootId, isAlive } from '../../host/identity.ts';
import { FILES } from './launcher.ts';
import type { LauncherEnd } from './native-proc.ts';
import { pidInOwnNamespace } from './pid-namespace.ts';
import { readText } from '../../host/proc-fs.ts';
import type { ProcessTable } from '../../host/unit-scan.ts';

/** What the records and a look at the machine say of a run of an earlier daemon. */
type LauncherState =
  | { readonly kind: 'alive'; readonly launcher: ProcessIdentity }
  /** `launcher` is gone; its number may still name the unit's process group. */
  | { readonly kind: 'over'; readonly launcher?: ProcessIdentity; readonly otherwise: string }
  | { readonly kind: 'other-boot'; readonly otherwise: string }
  /** Its daemon ended between noting the run and making its launcher: there never was a process. */
  | { readonly kind: 'unbegun' };

/** Finds the launcher of a run: by what it wrote itself, or by the cookie it carries. */
export function findRun({ record, instanceDir }: AdoptRequest, table: ProcessTable): LauncherState {
  const { begun } = parseRecord(readText(join(instanceDir, FILES.exit)), record.run);
  if (begun !== undefined && begun.bootId !== bootId()) {
    return { kind: 'other-boot', otherwise: 'the machine was restarted' };
  }
  const launcher = begun === undefined ? carrierOf(record, table) : proveLauncher(begun, record.run, table);
  if (launcher === undefined) {
    // Something of it lives, so there was a launcher, whatever the disk took of it.
    const was = begun !== undefined || table.carriers(record.run).some((entry) => !entry.zombie);
    return was ? { kind: 'over', otherwise: LEFT_NOTHING } : { kind: 'unbegun' };
  }
  if (isAlive(launcher)) return { kind: 'alive', launcher };
  return { kind: 'over', launcher, otherwise: LEFT_NOTHING };
}

const LEFT_NOTHING = 'its launcher is gone and left no exit status';

/**
 * A pid alone may be anybody's by now: only with the run's cookie is it the launcher's. One of a namespace that is no
 * more names nobody.
 */
function proveLauncher(begun: LauncherStart, run: RunId, table: ProcessTable): ProcessIdentity | undefined {
  const pid = begun.launcherPid;
  if (begun.ownPids) {
    const entry = table.carriers(run).find((carrier) => pidInOwnNamespace(carrier.pid) === pid);
    return entry === undefined
      ? undefined
      : { pid: entry.pid, startTime: entry.startTime, bootId: begun.bootId };
  }
  const candidates = HAS_COOKIES ? table.carriers(run) : table.group(pid);
  const entry = candidates.find((candidate) => candidate.pid === pid);
  return { pid, startTime: entry?.startTime ?? NEVER, bootId: begun.bootId };
}

/** Where the environments of other processes cannot be read, leading its own group has to do. */
const HAS_COOKIES = process.platform === 'linux';
/** The start time of a process that is no more. */
const NEVER = -1;

/** A launcher that had no time yet to write its record: the oldest process with the cookie, leader of its group. */
function carrierOf(record: RunRecord, table: ProcessTable): ProcessIdentity | undefined {
  const leaders = table
    .carriers(record.run)
    .filter((entry) => entry.pid === entry.pgid && !entry.zombie)
    .sort((a, b) => a.startTime - b.startTime || a.pid - b.pid);
  const oldest = leaders[0];
  return oldest === undefined
    ? undefined
    : { pid: oldest.pid, startTime: oldest.startTime, bootId: bootId() };
}

const IDENTITY_POLL_MS = 1000;
/** Of a launcher whose FIFO is watched, only every so many polls look at the identity. */
const POLLS_WITH_FIFO = 10;
/** A launcher lets go of its FIFO a moment before it is gone. */
const LAST_MOMENT_MS = 5;

interface WatchedLauncher {
  readonly launcher: ProcessIdentity;
  readonly everyPolls: number;
  readonly notice: () => void;
}

/**
 * Watches launchers that are no children of this process. The end of the FIFO that a launcher holds open tells of its
 * end at once; a slow look at its identity is the net below that.
 */
export class LauncherWatch {
  readonly #watched = new Set<WatchedLauncher>();
  #timer: NodeJS.Timeout | undefined;
  #polls = 0;

  /** Resolves once the launcher is gone. */
  async untilGone(launcher: ProcessIdentity, instanceDir: string, run: RunId): Promise<LauncherEnd> {
    await this.#notice(launcher, join(instanceDir, FILES.alive));
    while (isAlive(launcher) && !hasEnded(instanceDir, run)) {
      await sleep(LAST_MOMENT_MS);
    }
    return { otherwise: 'its launcher was killed' };
  }

  #notice(launcher: ProcessIdentity, fifo: string): Promise<void> {
    return new Promise((resolve) => {
      const reader = openReader(fifo);
      const watched: WatchedLauncher = {
        launcher,
        everyPolls: reader === undefined ? 1 : POLLS_WITH_FIFO,
        notice: () => {
          this.#watched.delete(watched);
          if (this.#watched.size === 0) clearInterval(this.#timer);
          reader?.destroy();
          resolve();
        },
      };
      if (this.#watched.size === 0) {
        this.#timer = setInterval(() => this.#poll(), IDENTITY_POLL_MS);
        this.#timer.unref();
      }
      this.#watched.add(watched);
      reader?.once('close', watched.notice);
      // It may have ended before the FIFO was opened, and a FIFO without a writer can be opened, too.
      if (!isAlive(launcher)) watched.notice();
    });
  }

  #poll(): void {
    this.#polls += 1;
    for (const { launcher, everyPolls, notice } of [...this.#watched]) {
      if (this.#polls % everyPolls === 0 && !isAlive(launcher)) notice();
    }
  }
}

function hasEnded(instanceDir: string, run: RunId): boolean {
  return parseRecord(readText(join(instanceDir, FILES.exit)), run).status !== undefined;
}

/** Closes once nobody holds the FIFO open for writing. Undefined where there is no FIFO to open. */
function openReader(path: string): Socket | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const reader = new Socket({ fd, readable: true, writable: false });
    reader.on('error', () => reader.destroy());
    reader.resume();
    return reader;
  } catch {
    closeSync(fd);
    return undefined;
  }
}
