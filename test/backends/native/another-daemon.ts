import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { StartRequest } from '../../../src/ports/backend.ts';
import { Rig, until } from './rig.ts';

/** Starts runs by a process of its own, so that they can be adopted, or started by somebody else. */
export class AnotherDaemon {
  readonly #home: Rig;
  readonly #file: string;

  private constructor(home: Rig) {
    this.#home = home;
    this.#file = join(home.dir, 'daemon.mjs');
  }

  static async build(): Promise<AnotherDaemon> {
    const daemon = new AnotherDaemon(new Rig());
    await build({
      entryPoints: [new URL('adopting-daemon.ts', import.meta.url).pathname],
      outfile: daemon.#file,
      bundle: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'error',
    });
    return daemon;
  }

  close(): Promise<void> {
    return this.#home.close();
  }

  /** Makes a copy of it in a folder, for another user who cannot come to the original; answers with its path. */
  copyTo(dir: string): string {
    const copy = join(dir, 'daemon.mjs');
    copyFileSync(this.#file, copy);
    return copy;
  }

  /** Has it start these, waits until they have begun, and kills it; answers with the services' pids. */
  async startAndDie(requests: readonly StartRequest[]): Promise<readonly number[]> {
    const daemon: ChildProcess = spawn(process.execPath, [this.#file, JSON.stringify(requests)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    daemon.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await until(() => output.endsWith('\n'));
    const ended = once(daemon, 'exit');
    daemon.kill('SIGKILL');
    await ended;
    return JSON.parse(output) as number[];
  }

  /** Has it die at a failpoint of the first start. */
  async dieAt(failpoint: string, request: StartRequest): Promise<void> {
    const daemon = spawn(process.execPath, [this.#file, JSON.stringify([request]), failpoint], {
      stdio: 'inherit',
    });
    const [, signal] = (await once(daemon, 'exit')) as [number | null, string | null];
    if (signal !== 'SIGKILL') throw new Error(`it did not die at ${failpoint}`);
  }

  /**
   * Has it start one, itself started by way of a command before it, such as setpriv(1); answers with the start failure,
   * or undefined where there was none. See adopting-daemon.ts for the modes. `file`: where to run it from.
   */
  async failureUnder(
    prefix: readonly string[],
    request: StartRequest,
    mode = 'report',
    file = this.#file,
  ): Promise<unknown> {
    const argv = [...prefix, process.execPath, file, JSON.stringify([request]), mode];
    const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await once(child, 'close');
    return (JSON.parse(output) as { error?: unknown }).error;
  }
}
