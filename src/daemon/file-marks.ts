import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { errnoOf } from '../core/util/system-error.ts';
import type { ManifestIo } from '../manifest/load.ts';

/** Of each file, by absolute path, what tells its content from another one. Salted, so that no secret can be guessed. */
export type Marks = ReadonlyMap<string, string>;

/** What a file is at the moment. */
export interface FileLook {
  readonly mark: string;
  /** It is not there or empty, as a file is for a moment while it is saved. */
  readonly blank: boolean;
}

/** Of a file that is not there, or of which nothing can be read. */
export const UNREAD = 'unread';

/** What the loader reads at most of a file. */
const MOST_BYTES = 1024 * 1024;

/** The same machine for the loader, with marks of what it reads: of the very bytes that the project is made from. */
export function markingIo(
  io: ManifestIo,
  salt: string,
): { readonly io: ManifestIo; readonly marks: Map<string, string> } {
  const marks = new Map<string, string>();
  const marking: ManifestIo = {
    ...io,
    readFile: (path) => {
      const bytes = io.readFile(path);
      marks.set(path, contentMark(bytes, salt));
      return bytes;
    },
  };
  return { io: marking, marks };
}

/** Never rejects; agrees with the marks of a load that came upon the same content. */
export async function lookAt(path: string, salt: string): Promise<FileLook> {
  try {
    const about = await stat(path);
    if (!about.isFile() || about.size > MOST_BYTES) return { mark: UNREAD, blank: false };
    const bytes = await readFile(path);
    return { mark: contentMark(bytes, salt), blank: bytes.length === 0 };
  } catch (error) {
    return { mark: UNREAD, blank: errnoOf(error) === 'ENOENT' };
  }
}

/** One digest for the content of all files. */
export function digestOf(marks: Marks): string {
  const entries = [...marks].sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(entries)).digest('hex');
}

function contentMark(bytes: Uint8Array, salt: string): string {
  return createHash('sha256').update(`${salt}\0`).update(bytes).digest('hex');
}
