import type { LogQuery, Operations, WatchItem } from '../../core/api.ts';
import type { ProjectEvent } from '../../core/event.ts';
import type { ServiceId } from '../../core/service.ts';
import type { Control } from '../../ports/control.ts';
import { encodeLine, type ByteStream, type LineStream } from './line-stream.ts';
import { Wake } from './wake.ts';
import type { WatchHub } from './watch-hub.ts';

/** How far back a follower that fell behind is brought up to date from the journal; what is older it misses. */
const CATCH_UP = 1000;
/** What is looked at first, because a follower is rarely further behind. */
const LATEST = 16;
/** Log lines are handed to the connection in pieces of about this size. */
const BATCH_CHARS = 64 * 1024;

/** The newest happenings, oldest first; following, those that come, each once and in order. */
export async function sendEvents(
  control: Control,
  hub: WatchHub,
  query: Operations['listEvents']['call']['query'],
  stream: LineStream,
): Promise<void> {
  const wake = new Wake(stream.signal);
  const leave = query.follow ? hub.add({ happened: () => wake.ring() }) : () => undefined;
  try {
    let last = newestSeq(control);
    let next = control.happenings(query.limit, query.service);
    for (;;) {
      for (const happening of next) {
        await stream.unblocked();
        if (stream.signal.aborted) return;
        stream.write(encodeLine(happening));
        last = Math.max(last, happening.seq);
      }
      if (!query.follow) return;
      await wake.next();
      if (stream.signal.aborted) return;
      next = happeningsAfter(control, last, query.service);
    }
  } finally {
    leave();
  }
}

/**
 * The snapshot, then every change. A client that does not keep up gets only the newest snapshot, and the happenings
 * from the journal: nothing is kept for it here but one reference to a line that all watchers share.
 */
export async function sendWatch(control: Control, hub: WatchHub, stream: LineStream): Promise<void> {
  const wake = new Wake(stream.signal);
  let newest: Buffer | undefined;
  const leave = hub.add({
    happened: () => wake.ring(),
    changed: (line) => {
      newest = line;
      wake.ring();
    },
  });
  try {
    let last = newestSeq(control);
    stream.write(encodeLine({ type: 'snapshot', snapshot: control.snapshot() } satisfies WatchItem));
    for (;;) {
      await wake.next();
      for (const happening of happeningsAfter(control, last)) {
        await stream.unblocked();
        if (stream.signal.aborted) return;
        const dropped = happening.seq - last - 1;
        stream.write(
          encodeLine({
            type: 'happening',
            happening,
            ...(dropped > 0 ? { dropped } : {}),
          } satisfies WatchItem),
        );
        last = happening.seq;
      }
      await stream.unblocked();
      if (stream.signal.aborted) return;
      if (newest !== undefined) stream.write(newest);
      newest = undefined;
    }
  } finally {
    leave();
  }
}

/** The lines that `query` asks for. They are read no faster than the client takes them. */
export async function sendLogs(control: Control, query: LogQuery, stream: LineStream): Promise<void> {
  let batch = '';
  let flushing: NodeJS.Immediate | undefined;
  const flush = (): void => {
    clearImmediate(flushing);
    flushing = undefined;
    if (batch !== '') stream.write(batch);
    batch = '';
  };
  try {
    for await (const line of control.logs(query, stream.signal)) {
      if (stream.signal.aborted) return;
      batch += `${JSON.stringify(line)}\n`;
      if (batch.length >= BATCH_CHARS) {
        flush();
        await stream.unblocked();
      } else {
        // A line that comes alone goes out at once; of those that are read together, few writes are made.
        flushing ??= setImmediate(flush);
      }
    }
  } finally {
    flush();
  }
}

/** Each piece at once, and no faster than the client takes them. */
export async function sendBytes(pieces: AsyncIterable<Uint8Array>, stream: ByteStream): Promise<void> {
  for await (const piece of pieces) {
    if (stream.signal.aborted) return;
    stream.write(piece);
    await stream.unblocked();
  }
}

function newestSeq(control: Control): number {
  return control.happenings(1).at(-1)?.seq ?? 0;
}

function happeningsAfter(control: Control, seq: number, service?: ServiceId): readonly ProjectEvent[] {
  const latest = control.happenings(LATEST, service);
  const oldest = latest[0];
  const enough = latest.length < LATEST || oldest === undefined || oldest.seq <= seq + 1;
  const all = enough ? latest : control.happenings(CATCH_UP, service);
  return all.filter((happening) => happening.seq > seq);
}
