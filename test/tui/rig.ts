import { execFileSync } from 'node:child_process';
import type { TestContext } from 'vitest';
import { lacks } from '../rig/needs.ts';
import type { TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

let count = 0;

/** A terminal whose size can be changed and into which single keys are typed: a tmux server of its own. */
export class TuiTerminal {
  readonly #project: TestProject;
  readonly #name: string;

  constructor(ctx: TestContext, project: TestProject, columns: number, rows: number) {
    const lack = lacks('tmux');
    if (lack !== undefined) ctx.skip(lack);
    this.#project = project;
    count += 1;
    this.#name = `setpoint-tui-${process.pid}-${count}`;
    ctx.onTestFinished(() => this.close());
    project.write('.shrc', "PS1='$ '");
    const size = ['-x', String(columns), '-y', String(rows)];
    this.#tmux('-f', '/dev/null', 'new-session', '-d', ...size, 'exec /bin/sh -i');
  }

  /** Types a command; what it writes is followed by its status on a line of its own. */
  run(line: string): void {
    this.write(`clear; ${line}; echo "status=$?"`);
    this.press('Enter');
  }

  write(text: string): void {
    this.#tmux('send-keys', '-l', text);
  }

  press(...keys: readonly string[]): void {
    for (const key of keys) this.#tmux('send-keys', key);
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  screen(): string {
    return this.#tmux('capture-pane', '-p');
  }

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

  close(): void {
    try {
      this.#tmux('kill-server');
    } catch {
      // It is closed already.
    }
  }

  #tmux(...args: readonly string[]): string {
    return execFileSync('tmux', ['-L', this.#name, ...args], {
      cwd: this.#project.dir,
      env: { ...this.#project.env, ENV: '.shrc', TERM: 'xterm-256color', LC_ALL: 'C.UTF-8', NO_COLOR: '' },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }
}
