// Looks at processes through /proc (proc(5)): Linux only, as the benchmark is.
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

const pids = () =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number);

const read = (pid, file) => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
};

/** Processes that run this program (wherever it lies) with exactly these arguments. */
export function withArguments(argv) {
  return pids().filter((pid) => runs(pid, argv));
}

function runs(pid, [program, ...args]) {
  const line = read(pid, 'cmdline');
  const end = line.indexOf('\0');
  return line.slice(end) === `\0${args.join('\0')}\0` && basename(line.slice(0, end)) === program;
}

/**
 * Counts the processes that `withArguments` would find, often and at little cost, so that the counting does not slow down
 * what it measures: what was there before is never looked at, and what was found is only listed from then on.
 */
export class Counter {
  #argv;
  #others = new Set(pids());
  #found = new Set();

  constructor(argv) {
    this.#argv = argv;
  }

  live() {
    const now = new Set(pids());
    for (const pid of this.#found) if (!now.has(pid)) this.#found.delete(pid);
    for (const pid of now) {
      if (!this.#others.has(pid) && !this.#found.has(pid) && runs(pid, this.#argv)) this.#found.add(pid);
    }
    return this.#found.size;
  }
}

/** Processes that carry `NAME=value` in their environment. */
export function withEnvironment(pair) {
  return pids().filter((pid) => `\0${read(pid, 'environ')}`.includes(`\0${pair}\0`));
}

export function commandOf(pid) {
  return read(pid, 'cmdline').replaceAll('\0', ' ').trim();
}

/** Time in ms that the process has run on a CPU since it began: nanoseconds in /proc/PID/task/TID/schedstat. */
export function cpuMs(pid) {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    return (
      tasks.reduce((sum, task) => sum + Number(read(pid, `task/${task}/schedstat`).split(' ')[0]), 0) / 1e6
    );
  } catch {
    return 0;
  }
}

/** Memory in MiB: `Rss` counts shared pages in full, `Pss` in proportion. */
export function memoryMiB(pid, kind) {
  const match = new RegExp(`^${kind}:\\s+(\\d+) kB`, 'm').exec(read(pid, 'smaps_rollup'));
  return match === null ? 0 : Number(match[1]) / 1024;
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves with the ms since `since` once `holds()`; rejects after `limitMs`. */
export async function until(what, holds, since, limitMs) {
  for (;;) {
    if (holds()) return performance.now() - since;
    if (performance.now() - since > limitMs) throw new Error(`${what}: not within ${limitMs} ms`);
    await sleep(4);
  }
}
