import { readdirSync, statSync } from 'node:fs';
import { endianness } from 'node:os';
import { errnoOf } from '../../core/util/system-error.ts';
import type { UnitStats } from '../../ports/backend.ts';
import type { Cgroup } from '../../host/cgroup/cgroup.ts';
import { readProcFile } from '../../host/proc-fs.ts';
import type { UnitView } from '../../host/unit-scan.ts';

interface SystemUnits {
  readonly pageBytes: number;
  readonly ticksPerSecond: number;
}

/** Keys of the auxiliary vector, getauxval(3). */
const AT_PAGESZ = 6;
const AT_CLKTCK = 17;
const WORDS_OF_4_BYTES = new Set(['arm', 'ia32', 'mips', 'mipsel']);
const USUAL_UNITS: SystemUnits = { pageBytes: 4096, ticksPerSecond: 100 };

let knownUnits: SystemUnits | undefined;

/** The units of /proc/PID/stat here, as the kernel told this process at its start. */
export function systemUnits(): SystemUnits {
  knownUnits ??= parseAuxv(tryRead('/proc/self/auxv'), WORDS_OF_4_BYTES.has(process.arch) ? 4 : 8);
  return knownUnits;
}

function tryRead(path: string): Buffer {
  try {
    return readProcFile(path) ?? Buffer.alloc(0);
  } catch {
    return Buffer.alloc(0);
  }
}

/** The units out of an auxiliary vector: pairs of words, key and value. */
export function parseAuxv(auxv: Buffer, wordBytes: 4 | 8): SystemUnits {
  const little = endianness() === 'LE';
  const wordAt = (at: number): number => {
    if (wordBytes === 4) return little ? auxv.readUInt32LE(at) : auxv.readUInt32BE(at);
    return Number(little ? auxv.readBigUInt64LE(at) : auxv.readBigUInt64BE(at));
  };
  const values = new Map<number, number>();
  for (let at = 0; at + 2 * wordBytes <= auxv.length; at += 2 * wordBytes) {
    values.set(wordAt(at), wordAt(at + wordBytes));
  }
  return {
    pageBytes: values.get(AT_PAGESZ) ?? USUAL_UNITS.pageBytes,
    ticksPerSecond: values.get(AT_CLKTCK) ?? USUAL_UNITS.ticksPerSecond,
  };
}

/**
 * What the units of a look use, one unit at a time: that of one run.
 *
 * CPU time is what living members and zombies have used themselves, plus what they have of children they waited for,
 * plus the same of the launcher, which waits for the service itself. Nothing counts twice: a process's time goes to its
 * parent in the moment in which it ceases to be one. What is lost is the time of those whose parents had left them to
 * init; so that it never seems to run backwards, the answer does not fall below an earlier one. Where a control group
 * counts, all of that is exact, and it is asked instead.
 *
 * Without /proc there is no answer: ps(1) tells neither threads nor descriptors, and would hold up the event loop.
 */
export class UnitMeter {
  readonly #cgroup: Cgroup | undefined;
  #highestCpuMs = 0;

  constructor(cgroup: Cgroup | undefined) {
    this.#cgroup = cgroup;
  }

  /** Undefined where nothing of the unit is left, or the system does not tell. */
  read({ members, zombies, launcher }: UnitView): UnitStats | undefined {
    if (members.length === 0) return undefined;
    let [ticks, pages, threads] = [launcher?.usage?.reapedTicks ?? 0, 0, 0];
    for (const { usage } of members) {
      if (usage === undefined) return undefined;
      ticks += usage.ticks + usage.reapedTicks;
      pages += usage.pages;
      threads += usage.threads;
    }
    for (const { usage } of zombies) ticks += (usage?.ticks ?? 0) + (usage?.reapedTicks ?? 0);
    const { pageBytes, ticksPerSecond } = systemUnits();
    const counted = this.#cgroup?.usage() ?? {};
    const cpuMs = counted.cpuMs ?? (ticks * 1000) / ticksPerSecond;
    this.#highestCpuMs = Math.max(this.#highestCpuMs, cpuMs);
    const openFiles = countOpenFiles(members.map(({ pid }) => pid));
    return {
      cpuMs: this.#highestCpuMs,
      memoryBytes: counted.memoryBytes ?? pages * pageBytes,
      processes: members.length,
      threads,
      ...(openFiles === undefined ? {} : { openFiles }),
    };
  }
}

/** Undefined where one of them may not be looked at. */
function countOpenFiles(pids: readonly number[]): number | undefined {
  let count = 0;
  for (const pid of pids) {
    const folder = `/proc/${pid}/fd`;
    try {
      // Since Linux 6.2 the folder's size is the number of entries; before that it is 0.
      const size = statSync(folder, { throwIfNoEntry: false })?.size;
      count += size === 0 ? readdirSync(folder).length : (size ?? 0);
    } catch (cause) {
      if (!hasEnded(cause)) return undefined;
    }
  }
  return count;
}

function hasEnded(cause: unknown): boolean {
  return ['ENOENT', 'ESRCH'].includes(errnoOf(cause) ?? '');
}
