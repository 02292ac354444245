import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { stateOf } from './files.ts';

const CHUNK_BYTES = 512 * 1024;

/** Reads up to `length` bytes from a byte on into the beginning of `target`; answers how many there were. */
type ReadChunk = (position: number, target: Buffer, length: number) => Promise<number>;

/** What was cut off a log: `<log>.1`, the newest, `<log>.2` and so on, plain files that nobody has open. */
export class Archives {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** How large the newest one is; 0 where there is none. */
  newestSize(): number {
    return stateOf(this.#nameOf(1)).size;
  }

  /**
   * Makes room for a new one: each gets the next number, and what is over `keep` goes; an empty newest one is used
   * again. Done again after it was interrupted, it goes on where it was. Throws where the disk refuses.
   */
  shift(keep: number): void {
    this.prune(keep);
    if (this.newestSize() === 0) return;
    let free = 1;
    while (free < keep && existsSync(this.#nameOf(free))) free += 1;
    rmSync(this.#nameOf(free), { force: true });
    for (let number = free - 1; number >= 1; number -= 1)
      renameSync(this.#nameOf(number), this.#nameOf(number + 1));
  }

  /** Removes all but the `keep` newest. Throws where the disk refuses. */
  prune(keep: number): void {
    const dir = dirname(this.#path);
    const prefix = `${basename(this.#path)}.`;
    for (const file of readdirSync(dir)) {
      const number = file.startsWith(prefix) ? file.slice(prefix.length) : '';
      if (/^[1-9][0-9]*$/.test(number) && Number(number) > keep) rmSync(`${dir}/${file}`, { force: true });
    }
  }

  /**
   * Adds the bytes [from, to) to the newest one, of which the first `size` bytes are known to be right; what it has
   * after them was left by a daemon that died, and is replaced. Resolves, once the bytes are on the disk, with whether
   * all of them could be read. Rejects where the disk refuses. Otherwise the archive is as it was.
   */
  async append(size: number, from: number, to: number, read: ReadChunk): Promise<boolean> {
    const file = await open(this.#nameOf(1), 'a', 0o600);
    let isWhole = false;
    try {
      await file.truncate(size);
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, to - from));
      for (let at = from; at < to;) {
        const got = await read(at, chunk, Math.min(chunk.length, to - at));
        if (got === 0) return false;
        // Writes all of it, or rejects.
        await file.appendFile(chunk.subarray(0, got));
        at += got;
      }
      await file.datasync();
      isWhole = true;
      return true;
    } finally {
      if (!isWhole) await file.truncate(size).catch(() => undefined);
      await file.close();
    }
  }

  #nameOf(number: number): string {
    return `${this.#path}.${number}`;
  }
}
