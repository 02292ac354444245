import { dirname } from 'node:path';
import { errnoOf } from '../../core/util/system-error.ts';
import type { Cgroup } from './cgroup.ts';
import { counterIn, type GroupFiles, wordsIn } from './files.ts';

/** A folder of a group. */
export interface GroupFolder {
  readonly version: 1 | 2;
  readonly dir: string;
}

const RETRY_MIN_MS = 10;
const RETRY_MAX_MS = 1000;
const RETRIES = 20;

/** The group of a run as it lies in the file system of control groups. */
export class RunGroup implements Cgroup {
  readonly path: string;
  readonly joins: readonly string[];
  readonly #files: GroupFiles;
  readonly #parts: readonly GroupFolder[];
  #retry: NodeJS.Timeout | undefined;

  /** `path` is that of the first part, be it there or not. */
  constructor(files: GroupFiles, parts: readonly GroupFolder[], path = parts[0]?.dir ?? '') {
    this.#files = files;
    this.#parts = parts;
    this.path = path;
    this.joins = parts.map(({ dir }) => `${dir}/cgroup.procs`);
  }

  oomKills(): number | undefined {
    for (const { version, dir } of this.#parts) {
      const path = `${dir}/${version === 2 ? 'memory.events' : 'memory.oom_control'}`;
      const kills = counterIn(this.#files, path, 'oom_kill');
      if (kills !== undefined) return Math.max(kills, counterIn(this.#files, path, 'oom_group_kill') ?? 0);
    }
    return undefined;
  }

  usage(): { readonly cpuMs?: number; readonly memoryBytes?: number } {
    const cpuMs = this.#cpuMs();
    const memoryBytes = this.#memoryBytes();
    return {
      ...(cpuMs === undefined ? {} : { cpuMs }),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
    };
  }

  #cpuMs(): number | undefined {
    for (const { version, dir } of this.#parts) {
      if (version === 2) {
        const us = counterIn(this.#files, `${dir}/cpu.stat`, 'usage_usec');
        if (us !== undefined) return us / 1000;
      } else {
        const ns = this.#files.read(`${dir}/cpuacct.usage`);
        if (ns !== undefined) return Number(ns) / 1_000_000;
      }
    }
    return undefined;
  }

  /** Without the page cache, which is given back when it is needed elsewhere. */
  #memoryBytes(): number | undefined {
    for (const { version, dir } of this.#parts) {
      const path = `${dir}/memory.stat`;
      const own = counterIn(this.#files, path, version === 2 ? 'anon' : 'total_rss');
      const mapped = counterIn(this.#files, path, version === 2 ? 'file_mapped' : 'total_mapped_file');
      if (own !== undefined) return own + (mapped ?? 0);
    }
    return undefined;
  }

  kill(): boolean {
    let killed = false;
    for (const { version, dir } of this.#parts) {
      if (version === 2) killed = this.#writes(`${dir}/cgroup.kill`, '1') || killed;
    }
    return killed;
  }

  #writes(path: string, text: string): boolean {
    try {
      this.#files.write(path, text);
      return true;
    } catch {
      return false;
    }
  }

  members(): readonly number[] {
    const first = this.#parts[0];
    if (first === undefined) return [];
    const pids = groupsFrom(this.#files, first.dir).flatMap((dir) =>
      wordsIn(this.#files, `${dir}/cgroup.procs`).map(Number),
    );
    // One that this process cannot see, being in another pid namespace, is a 0 in there.
    return pids.filter((pid) => pid > 0);
  }

  remove(): void {
    clearTimeout(this.#retry);
    this.#tryToRemove(0);
  }

  #tryToRemove(attempt: number): void {
    const busy = this.#parts.filter(({ dir }) => !this.#removed(dir));
    if (busy.length === 0 || attempt >= RETRIES) return;
    const wait = Math.min(RETRY_MIN_MS * 2 ** attempt, RETRY_MAX_MS);
    this.#retry = setTimeout(() => this.#tryToRemove(attempt + 1), wait);
    this.#retry.unref();
  }

  /** False where another attempt may help. */
  #removed(top: string): boolean {
    try {
      for (const dir of groupsFrom(this.#files, top).toReversed()) this.#files.remove(dir);
    } catch (cause) {
      const code = errnoOf(cause);
      if (code === 'EBUSY' || code === 'ENOTEMPTY') return false;
    }
    try {
      this.#files.remove(dirname(top));
    } catch {
      // Other runs are in there.
    }
    return true;
  }
}

/** A group and all below it, each before those in it. */
function groupsFrom(files: GroupFiles, top: string): readonly string[] {
  const found = [top];
  for (const dir of found) found.push(...files.folders(dir).map((name) => `${dir}/${name}`));
  return found;
}
