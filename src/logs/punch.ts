import { spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../core/util/system-error.ts';

/** Makes a hole of the first `length` bytes of an open file, whose size stays. Rejects, saying why, where it cannot. */
export type PunchHead = (file: FileHandle, length: number) => Promise<void>;

const PROBE_FILE = 'punch.probe';
const PROBE_BYTES = 4_096;
const LONGEST_MS = 10_000;
const MOST_COMPLAINT_BYTES = 1_024;

/**
 * By the program `fallocate` of util-linux, since Node has no such call: fallocate(2) with FALLOC_FL_PUNCH_HOLE. It gets
 * the file itself, not its name, which may be another file's by then.
 */
export const punchHead: PunchHead = (file, length) =>
  new Promise((resolve, reject) => {
    const args = ['--punch-hole', '--offset', '0', '--length', String(length), '/proc/self/fd/3'];
    const child = spawn('fallocate', args, {
      stdio: ['ignore', 'ignore', 'pipe', file.fd],
      timeout: LONGEST_MS,
      killSignal: 'SIGKILL',
    });
    let complaint = '';
    child.stderr?.on('data', (data: Buffer) => {
      if (complaint.length < MOST_COMPLAINT_BYTES) complaint += data.toString();
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(complaint.trim() || `fallocate ended with ${code ?? signal ?? 'nothing'}`));
    });
  });

/** Makes holes in files, and finds out beforehand whether that can be done. */
export class Puncher {
  readonly #punch: PunchHead;
  readonly #onImpossible: (why: string) => void;
  #possible: Promise<boolean> | undefined;

  /** `onImpossible` is called once, if ever. */
  constructor(punch: PunchHead, onImpossible: (why: string) => void) {
    this.#punch = punch;
    this.#onImpossible = onImpossible;
  }

  /** Tried out in a folder once, then remembered for all. Rejects where the disk does not even let it be tried. */
  isPossible(dir: string): Promise<boolean> {
    this.#possible ??= this.#tryOut(join(dir, PROBE_FILE)).then(
      (why) => {
        if (why !== undefined) this.#onImpossible(why);
        return why === undefined;
      },
      (error: unknown) => {
        this.#possible = undefined;
        throw error;
      },
    );
    return this.#possible;
  }

  /** Gives the first `length` bytes of a file back to the disk. */
  async punch(path: string, length: number): Promise<void> {
    const file = await open(path, 'r+');
    try {
      await this.#punch(file, length);
    } finally {
      await file.close();
    }
  }

  async #tryOut(path: string): Promise<string | undefined> {
    const file = await open(path, 'w+', 0o600);
    try {
      // A full disk takes no content; whether the system knows holes can be asked of an empty file, too.
      const { bytesWritten } = await file
        .write(Buffer.alloc(PROBE_BYTES, 'x'))
        .catch(() => ({ bytesWritten: 0 }));
      const refusal = await this.#punch(file, PROBE_BYTES).then(() => undefined, messageOf);
      if (refusal !== undefined) return refusal;
      const { bytesRead, buffer } = await file.read(Buffer.alloc(PROBE_BYTES), 0, PROBE_BYTES, 0);
      const isHole = bytesRead === bytesWritten && buffer.every((byte) => byte === 0);
      return isHole ? undefined : 'the file system leaves what is to be a hole as it is';
    } finally {
      await file.close();
      await rm(path, { force: true }).catch(() => undefined);
    }
  }
}
