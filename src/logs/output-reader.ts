import type { InstanceId } from '../core/service.ts';
import type { LogAccess } from './access.ts';
import type { InstanceLog } from './instance-log.ts';
import { readRefused } from './plan-sources.ts';
import { MOST_BEHIND_BYTES, RESUME_BEHIND_BYTES } from './source.ts';
import { LogNews } from './log-news.ts';

const CHUNK_BYTES = 64 * 1024;

/** The bytes of an instance's standard output, as `LogStore.output` promises. Runs may end and begin meanwhile. */
export async function* readOutput(
  access: LogAccess,
  instance: InstanceId,
  backlogBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const news = new LogNews(access, instance, signal);
  let position: number | undefined;
  let generation = 0;
  try {
    for (;;) {
      if (news.hasEnded()) return;
      const log = access.look(instance);
      const { generation: now, start, end } = stateOf(log);
      if (position === undefined) position = end - Math.max(0, backlogBytes);
      else if (now !== generation) position = 0;
      else if (end - position > MOST_BEHIND_BYTES) position = end - RESUME_BEHIND_BYTES;
      generation = now;
      position = Math.max(position, start);
      const chunk = await readAt(log, position, Math.min(CHUNK_BYTES, end - position), access.onWarning);
      // What retention took away while it was read is no content.
      if (stateOf(log).start > position) continue;
      position += chunk.length;
      if (news.hasEnded()) return;
      if (chunk.length > 0) yield chunk;
      else await news.next();
    }
  } finally {
    news.stop();
  }
}

function stateOf(log: InstanceLog): {
  readonly generation: number;
  readonly start: number;
  readonly end: number;
} {
  const { timeline, seen } = log;
  return {
    generation: timeline.generation('stdout'),
    start: timeline.retained('stdout').start,
    end: seen.stdout.size,
  };
}

async function readAt(
  log: InstanceLog,
  position: number,
  length: number,
  onWarning: (message: string) => void,
): Promise<Uint8Array> {
  if (length <= 0) return new Uint8Array();
  const bytes = Buffer.allocUnsafeSlow(length);
  try {
    return bytes.subarray(0, await log.read('stdout', position, bytes, 0, length));
  } catch (error) {
    onWarning(readRefused(log.paths.stdout, error));
    return new Uint8Array();
  }
}
