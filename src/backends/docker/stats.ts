import { asRecord } from '../../core/util/record.ts';
import type { UnitMember, UnitStats } from '../../ports/backend.ts';

const NS_PER_MS = 1_000_000;

/**
 * The engine's one-shot stats in our units; undefined where they say nothing, as for a container that has ended. Memory is
 * what is used without the part of the page cache that can be dropped, as the docker client counts it; its names differ
 * between control groups v1 and v2. Tasks are all it counts: asked for processes it would run a `ps` each time.
 */
export function parseStats(answer: unknown): UnitStats | undefined {
  const { cpu_stats: cpu, memory_stats: memory, pids_stats: pids } = asRecord(answer) ?? {};
  const cpuNs = asRecord(asRecord(cpu)?.['cpu_usage'])?.['total_usage'];
  const usage = asRecord(memory)?.['usage'];
  if (typeof cpuNs !== 'number' || typeof usage !== 'number') return undefined;
  const parts = asRecord(asRecord(memory)?.['stats']) ?? {};
  const cache = parts['total_inactive_file'] ?? parts['inactive_file'];
  const current = asRecord(pids)?.['current'];
  const tasks = typeof current === 'number' ? current : 1;
  return {
    cpuMs: cpuNs / NS_PER_MS,
    memoryBytes: typeof cache === 'number' && cache < usage ? usage - cache : usage,
    processes: tasks,
    threads: tasks,
  };
}

/** Of a `ps -eo pid,args` of the container's processes; the pids are the host's. */
export function parseTop(answer: unknown): readonly UnitMember[] {
  const rows = asRecord(answer)?.['Processes'];
  if (!Array.isArray(rows)) return [];
  return rows.flatMap((row): UnitMember[] => {
    if (!Array.isArray(row)) return [];
    const [pid, ...words] = row as readonly unknown[];
    const number = Number(pid);
    return Number.isInteger(number) ? [{ pid: number, command: escape(words.map(String).join(' ')) }] : [];
  });
}

function escape(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
