import { close, constants, lstatSync, open, write } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { errnoOf } from '../../core/util/system-error.ts';
import type { ProcInput } from '../../ports/backend.ts';

/** How much may wait to be taken by a service that does not read. */
const WAITING_LIMIT = 4 * 1024 * 1024;
/** A service that takes nothing for so long is not going to. */
const STALL_MS = 10_000;
const RETRY_MIN_MS = 1;
const RETRY_MAX_MS = 50;

interface FifoInputOptions {
  readonly path: string;
  /** Whether the FIFO is still this run's. */
  readonly isOurs: () => boolean;
  /** See `STALL_MS`. */
  readonly stallMs?: number;
  readonly resize?: (columns: number, rows: number) => Promise<boolean>;
}

/**
 * A standard input that is a FIFO. It is opened for each write, so that whichever daemon is there can write to it; the
 * launcher keeps it open in between. A write is refused where the service is gone, where it takes nothing for ten
 * seconds, and where more than 4 MiB wait already; part of it may have been taken by then.
 */
export function createFifoInput(options: FifoInputOptions): ProcInput {
  const writer = new FifoWriter(options);
  const { resize } = options;
  return {
    write: (data) => writer.write(data),
    ...(resize === undefined ? {} : { resize }),
  };
}

class FifoWriter {
  readonly #path: string;
  readonly #isOurs: () => boolean;
  readonly #stallMs: number;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(options: FifoInputOptions) {
    this.#path = options.path;
    this.#isOurs = options.isOurs;
    this.#stallMs = options.stallMs ?? STALL_MS;
  }

  async write(data: Uint8Array): Promise<void> {
    if (data.byteLength === 0) return;
    if (this.#waiting + data.byteLength > WAITING_LIMIT) {
      throw new Error(`the service has not taken ${this.#waiting} bytes of its input yet`);
    }
    this.#waiting += data.byteLength;
    // The caller may use its buffer again.
    const copy = Buffer.from(data);
    const turn = this.#tail.then(() => this.#hand(copy));
    this.#tail = turn.catch(() => undefined);
    try {
      await turn;
    } finally {
      this.#waiting -= copy.byteLength;
    }
  }

  async #hand(data: Buffer): Promise<void> {
    const fd = await this.#open();
    try {
      let deadline = performance.now() + this.#stallMs;
      let wait = RETRY_MIN_MS;
      for (let at = 0; at < data.byteLength;) {
        const taken = await writeSome(fd, data.subarray(at));
        if (taken > 0) {
          at += taken;
          deadline = performance.now() + this.#stallMs;
          wait = RETRY_MIN_MS;
          continue;
        }
        if (performance.now() > deadline) {
          throw new Error(
            `the service takes no input: ${data.byteLength - at} of ${data.byteLength} bytes are left`,
          );
        }
        await sleep(wait);
        wait = Math.min(wait * 2, RETRY_MAX_MS);
      }
    } finally {
      await closeFile(fd);
    }
  }

  async #open(): Promise<number> {
    // Nothing else is ever written to: not even where somebody has put a file in its place.
    if (!this.#isOurs() || lstatSync(this.#path, { throwIfNoEntry: false })?.isFIFO() !== true) throw gone();
    try {
      return await openFile(this.#path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    } catch (cause) {
      if (hasCode(cause, 'ENXIO') || hasCode(cause, 'ENOENT')) throw gone();
      throw cause;
    }
  }
}

const openFile = promisify(open);
const writeFile = promisify(write);
const closeFile = promisify(close);

function gone(): Error {
  return new Error('the service has ended, and nobody reads its input');
}

/** How much of it the system took; 0 where there is no room. */
async function writeSome(fd: number, data: Buffer): Promise<number> {
  try {
    const { bytesWritten } = await writeFile(fd, data);
    return bytesWritten;
  } catch (cause) {
    if (hasCode(cause, 'EAGAIN')) return 0;
    throw hasCode(cause, 'EPIPE') ? gone() : cause;
  }
}

function hasCode(cause: unknown, code: string): boolean {
  return errnoOf(cause) === code;
}
