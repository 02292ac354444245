import { closeSync, constants, open } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { StartRequest } from '../../ports/backend.ts';
import { FILES } from './launcher.ts';

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT;
const openFile = promisify(open);

/** The files that a launcher gets as its descriptors; see `LAUNCHER_FDS`. Open from `open` to `close`. */
export class OpenFiles {
  readonly #request: StartRequest;
  readonly #opened: number[] = [];
  #reader: number | undefined;
  #writer: number | undefined;

  constructor(request: StartRequest) {
    this.#request = request;
  }

  /** Rejects with what the system said of the first that could not be opened. `close` is due all the same. */
  async open(): Promise<void> {
    const { instanceDir, stdoutPath, stderrPath, launch } = this.#request;
    const files: [path: string, flags: number][] = [
      [stdoutPath, APPEND],
      [join(instanceDir, FILES.exit), APPEND | constants.O_TRUNC],
      [join(instanceDir, FILES.alive), constants.O_RDWR | constants.O_NONBLOCK],
    ];
    // One open file for both keeps the order of what is written to them; a terminal has no second output at all.
    if (stderrPath !== stdoutPath && launch.tty !== true) files.push([stderrPath, APPEND]);
    const opening = await Promise.allSettled(files.map(([path, flags]) => openFile(path, flags, 0o600)));
    for (const each of opening) if (each.status === 'fulfilled') this.#opened.push(each.value);
    for (const each of opening) if (each.status === 'rejected') throw each.reason;
    if (launch.tty === true || launch.stdin === 'pipe') await this.#openInput();
  }

  /**
   * What goes to `spawn`. The terminal's launcher takes its own stderr from 4, for 2 will be the terminal. `behind`: the
   * launcher is made by another program; see `ENCLOSED_FDS`.
   */
  stdio(behind = false): ('ignore' | number)[] {
    const [stdout = 'ignore', exit = 'ignore', alive = 'ignore', stderr] = this.#opened;
    const last = this.#request.launch.tty === true ? exit : (stderr ?? stdout);
    if (behind) {
      const own = ['ignore', 'ignore', exit, alive, last, this.#writer ?? 'ignore', stdout] as const;
      return this.#reader === undefined ? [...own] : [...own, this.#reader];
    }
    const plain: ('ignore' | number)[] = [this.#reader ?? 'ignore', stdout, exit, alive, last];
    return this.#writer === undefined ? plain : [...plain, this.#writer];
  }

  close(): void {
    for (const fd of [...this.#opened.splice(0), this.#reader, this.#writer]) {
      if (fd !== undefined) closeSync(fd);
    }
    this.#reader = this.#writer = undefined;
  }

  /** Neither end can be opened alone without waiting for the other; and the reader must block, as any program expects. */
  async #openInput(): Promise<void> {
    const path = join(this.#request.instanceDir, FILES.stdin);
    const both = await openFile(path, constants.O_RDWR | constants.O_NONBLOCK);
    try {
      this.#reader = await openFile(path, constants.O_RDONLY);
      this.#writer = await openFile(path, constants.O_WRONLY);
    } finally {
      closeSync(both);
    }
  }
}
