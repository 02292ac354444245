import { createHash } from 'node:crypto';
import { createReadStream, type BigIntStats } from 'node:fs';

/** A larger file is told by its size and time: reading it anew each time would take longer than it is worth. */
const LARGE_BYTES = 256 * 1024 * 1024;
/** A file that was changed this short a time ago may be changed again without its times telling. */
const SETTLED_MS = 1_000;
const MOST_KEPT = 100_000;

/** Digests of files, read again only where what the system says of a file is no longer the same. */
export class FileDigests {
  readonly #kept = new Map<string, { readonly stamp: string; readonly digest: string }>();

  /** Of a file's content. Rejects with what the system says where it cannot be read. */
  async of(path: string, stat: BigIntStats): Promise<string> {
    const stamp = [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(' ');
    if (stat.size > LARGE_BYTES) return `${stat.size} ${stat.mtimeNs}`;
    const kept = this.#kept.get(path);
    if (kept?.stamp === stamp) return kept.digest;
    const isSettled = Date.now() - Number(stat.ctimeMs) > SETTLED_MS;
    const digest = await digestOf(path);
    this.#kept.delete(path);
    if (isSettled) this.#keep(path, stamp, digest);
    return digest;
  }

  #keep(path: string, stamp: string, digest: string): void {
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= MOST_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(path, { stamp, digest });
  }
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
