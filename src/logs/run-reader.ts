import type { InstanceId } from '../core/service.ts';
import type { RunId } from '../core/state.ts';
import type { LogAccess } from './access.ts';
import type { InstanceLog } from './instance-log.ts';
import { STREAMS } from './instance-log.ts';
import { readRefused } from './plan-sources.ts';
import { Scratch, Source } from './source.ts';
import type { Stream } from './timeline.ts';
import { LogNews } from './log-news.ts';

/** What is read at once; with the beginning of a line that is held back, no more than 64 KiB twice. */
const CHUNK_BYTES = 64 * 1024;

/**
 * The lines of one run, as `LogStore.runLines` promises. Retention waits for such a reader, up to a limit, so that a line
 * that is looked for is not cut off before it was looked at.
 */
export async function* readRun(
  access: LogAccess,
  instance: InstanceId,
  run: RunId,
  stream: Stream | undefined,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const news = new LogNews(access, instance, signal);
  const streams = stream === undefined ? STREAMS : [stream];
  let sources: readonly Source[] = [];
  let forget = (): void => undefined;
  try {
    while (!news.hasEnded()) {
      const log = access.look(instance);
      if (sources.length === 0 && log.timeline.rangeOf(run, 'stdout') !== undefined) {
        sources = streams.map((one) => sourceOf(log, instance, run, one));
        forget = log.addReader(
          (one) => sources.find((source) => source.stream === one)?.position ?? Infinity,
        );
      }
      // Decided before the reading, during which more may come.
      const isOver = log.timeline.endOf(run, 'stdout') !== undefined;
      for (const source of sources) {
        source.extend(log.timeline.endOf(run, source.stream) ?? log.seen[source.stream].size);
      }
      for (const source of sources) yield* linesOf(source, access, news);
      if (isOver) return;
      await news.next();
    }
  } finally {
    news.stop();
    forget();
    access.trim(instance);
  }
}

function sourceOf(log: InstanceLog, instance: InstanceId, run: RunId, stream: Stream): Source {
  const { start } = log.timeline.retained(stream);
  const from = Math.max(start, log.timeline.rangeOf(run, stream)?.from ?? start);
  const target = { instance, service: instance };
  return new Source({ target, stream, log, from, seek: false, size: from, follow: true, patient: true });
}

/** What a source has to be read now, chunk by chunk: each is read only once the one before was taken. */
async function* linesOf(
  source: Source,
  access: LogAccess,
  news: LogNews,
): AsyncGenerator<string, void, undefined> {
  const scratch = source.pending ? new Scratch(CHUNK_BYTES) : undefined;
  while (scratch !== undefined && source.pending && !news.hasEnded()) {
    try {
      await source.load(scratch);
    } catch (error) {
      access.onWarning(readRefused(source.path, error));
      source.giveUp();
    }
    for (const { text } of source.lines) {
      yield text;
      if (news.hasEnded()) return;
    }
    source.taken = source.lines.length;
  }
}
