import { isUtf8 } from 'node:buffer';
import { err, ok } from '../../core/util/result.ts';
import type { Result } from '../../core/util/result.ts';
import { readBytes } from './source.ts';
import type { ManifestIo, ReadProblem } from './source.ts';

/** Reads files that are neither manifests nor env files, each once, and remembers which were looked at. */
export class OtherFiles {
  readonly #io: ManifestIo;
  readonly #contents = new Map<string, Result<string, ReadProblem>>();

  constructor(io: ManifestIo) {
    this.#io = io;
  }

  /** Those that could be read, in the order of their first use. */
  get files(): readonly string[] {
    return [...this.#contents].filter(([, content]) => content.ok).map(([path]) => path);
  }

  /** The same, and those that could not. */
  get looked(): readonly string[] {
    return [...this.#contents.keys()];
  }

  /** The content as it is; what is not UTF-8 is an error. Never throws. */
  read(path: string): Result<string, ReadProblem> {
    const content = this.#contents.get(path) ?? this.#read(path);
    this.#contents.set(path, content);
    return content;
  }

  #read(path: string): Result<string, ReadProblem> {
    const bytes = readBytes(this.#io, path);
    if (!bytes.ok) return bytes;
    if (isUtf8(bytes.value)) return ok(bytes.value.toString('utf8'));
    return err({ code: 'not-text', message: `${path} is not a text file in UTF-8` });
  }
}
