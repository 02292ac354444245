import { execFile } from 'node:child_process';
import { linkSync, lstatSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FILES, launcherScript } from './launcher.ts';

/** mkfifo(1) gets this many paths at once. */
const FIFO_BATCH = 500;

/** Puts into instance directories what a launcher needs there. */
export class InstanceFiles {
  readonly #path: string;
  readonly #script = launcherScript();
  #scriptPath: string | undefined;
  /** Instance directories that hold what a launcher needs. */
  readonly #ready = new Set<string>();

  /** `path`: the PATH on which mkfifo(1) is found. */
  constructor(path: string) {
    this.#path = path;
  }

  /** For many directories at once. Rejects where one could not be prepared; those before it are. */
  async prepare(instanceDirs: readonly string[]): Promise<void> {
    const folders = [...new Set(instanceDirs)].filter((dir) => !this.#ready.has(dir));
    for (const folder of folders) this.#writeScript(folder);
    const fifos = folders.map((folder) => join(folder, FILES.alive)).filter((path) => !isFifo(path));
    for (let at = 0; at < fifos.length; at += FIFO_BATCH)
      await this.#makeFifos(fifos.slice(at, at + FIFO_BATCH));
    for (const folder of folders) this.#ready.add(folder);
  }

  /** For a start; with a FIFO for its standard input, where it asks for one: another one, for nobody may hold the old. */
  async prepareOne(instanceDir: string, withInput: boolean): Promise<void> {
    const alive = join(instanceDir, FILES.alive);
    const fifos = withInput ? [join(instanceDir, FILES.stdin)] : [];
    // Somebody may have cleared the directory since it was prepared.
    const whole = this.#ready.has(instanceDir) && isFifo(alive);
    if (!whole) this.#writeScript(instanceDir);
    if (!whole && !isFifo(alive)) fifos.push(alive);
    await this.#makeFifos(fifos);
    this.#ready.add(instanceDir);
  }

  /**
   * The old one is never written to: a shell of an earlier daemon may still be reading it. The others are links to the
   * first, which costs a twentieth of another file.
   */
  #writeScript(instanceDir: string): void {
    const path = join(instanceDir, FILES.script);
    rmSync(path, { force: true });
    try {
      if (this.#scriptPath === undefined) throw new Error('there is none to link to');
      linkSync(this.#scriptPath, path);
    } catch {
      writeFileSync(path, this.#script, { mode: 0o600 });
      this.#scriptPath = path;
    }
  }

  async #makeFifos(paths: readonly string[]): Promise<void> {
    if (paths.length === 0) return;
    for (const path of paths) rmSync(path, { force: true });
    const env = { PATH: this.#path, LC_ALL: 'C' };
    await promisify(execFile)('mkfifo', ['-m', '600', ...paths], { env });
  }
}

function isFifo(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false;
}
