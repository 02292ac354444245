import { execFileSync } from 'node:child_process';
import type { TestContext } from 'vitest';
import { lacks } from './needs.ts';
import { CLI, type TestProject } from './setpoint.ts';
import { eventually } from './wait.ts';

let count = 0;

/** A terminal of a given size in which commands are typed and whose screen is read: a tmux server of its own. */
export class Terminal {
  readonly #project: TestProject;
  readonly #name: string;

  constructor(ctx: TestContext, project: TestProject, columns: number, rows: number) {
    const lack = lacks('tmux');
    if (lack !== undefined) ctx.skip(lack);
    this.#project = project;
    count += 1;
    this.#name = `setpoint-${process.pid}-${count}`;
    ctx.onTestFinished(() => this.close());
    const shell = `PS1='$ '; setpoint() { '${CLI}' "$@"; }`;
    project.write('.shrc', shell);
    this.#tmux(
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-x',
      String(columns),
      '-y',
      String(rows),
      'exec /bin/sh -i',
    );
  }

  /** Types a line; resolves with the screen once the command it holds has ended, showing its status. */
  async run(line: string): Promise<string> {
    this.type(line);
    return this.shows(/^status=\d+$/m);
  }

  /** Types a line on an empty screen; what the command is followed by its status on a line of its own. */
  type(line: string): void {
    this.#tmux('send-keys', '-l', `clear; ${line}; echo "status=$?"`);
    this.#tmux('send-keys', 'Enter');
  }

  press(key: string): void {
    this.#tmux('send-keys', key);
  }

  /** As when its window is drawn larger or smaller. */
  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  screen(): string {
    return this.#tmux('capture-pane', '-p');
  }

  /** The screen with the sequences that colour it. */
  coloured(): string {
    return this.#tmux('capture-pane', '-p', '-e');
  }

  async shows(pattern: RegExp): Promise<string> {
    let last = '';
    try {
      return await eventually(String(pattern), () => {
        last = this.screen();
        return pattern.test(last) ? last : undefined;
      });
    } catch {
      throw new Error(`${String(pattern)} did not appear; the screen:\n${last}`);
    }
  }

  /** As when its window is closed. */
  close(): void {
    try {
      this.#tmux('kill-server');
    } catch {
      // It is closed already.
    }
  }

  #tmux(...args: string[]): string {
    return execFileSync('tmux', ['-L', this.#name, ...args], {
      cwd: this.#project.dir,
      env: { ...this.#project.env, ENV: '.shrc', TERM: 'xterm-256color', LC_ALL: 'C.UTF-8' },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }
}
