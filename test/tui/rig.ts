import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { TestContext } from 'vitest';
import { lacks } from '../rig/needs.ts';
import { processesWith } from '../rig/processes.ts';
import { CLI, newProject, type TestProject } from '../rig/setpoint.ts';
import { eventually } from '../rig/wait.ts';

/** The machine may be busy with other things; what is waited for comes much sooner. */
const PATIENCE_MS = 40_000;
/** Of a test with a terminal. */
export const TERMINAL_TEST_MS = 120_000;

/** Tmux's names of keys, where they are not ours. */
const TMUX_KEYS: Readonly<Record<string, string>> = {
  up: 'Up',
  down: 'Down',
  left: 'Left',
  right: 'Right',
  home: 'Home',
  end: 'End',
  pageup: 'PPage',
  pagedown: 'NPage',
  tab: 'Tab',
  'shift-tab': 'BTab',
  enter: 'Enter',
  escape: 'Escape',
  space: 'Space',
  backspace: 'BSpace',
};

let count = 0;

/** A terminal whose size can be changed and into which single keys are typed: a tmux server of its own. */
export class TuiTerminal {
  readonly project: TestProject;
  readonly #name: string;
  readonly #env: Readonly<Record<string, string>>;

  constructor(
    ctx: TestContext,
    project: TestProject,
    columns: number,
    rows: number,
    env: Readonly<Record<string, string>> = {},
  ) {
    const lack = lacks('tmux');
    if (lack !== undefined) ctx.skip(lack);
    this.project = project;
    this.#env = env;
    count += 1;
    this.#name = `setpoint-tui-${process.pid}-${count}`;
    ctx.onTestFinished(() => this.close());
    project.write('.shrc', `PS1='$ '; setpoint() { '${CLI}' "$@"; }`);
    const size = ['-x', String(columns), '-y', String(rows)];
    this.#tmux('-f', '/dev/null', 'new-session', '-d', ...size, 'exec /bin/sh -i');
    // What a program copies by OSC 52 can then be read back as a buffer.
    this.#tmux('set-option', '-s', 'set-clipboard', 'on');
  }

  /** One more terminal on the same project. */
  another(ctx: TestContext, env: Readonly<Record<string, string>> = {}): TuiTerminal {
    return new TuiTerminal(ctx, this.project, 120, 40, env);
  }

  /** Types a command; what it writes is followed by its status on a line of its own. */
  run(line: string): void {
    this.write(`clear; ${line}; echo "status=$?"`);
    this.press('enter');
  }

  write(text: string): void {
    this.#tmux('send-keys', '-l', text);
  }

  /** Keys by the names that the keymap has for them. */
  press(...keys: readonly string[]): void {
    for (const key of keys) {
      const control = /^(ctrl|alt)-(.)$/.exec(key);
      const name = control === null ? (TMUX_KEYS[key] ?? key.replace(/^f(\d+)$/, 'F$1')) : '';
      if (control !== null) this.#tmux('send-keys', `${control[1] === 'ctrl' ? 'C' : 'M'}-${control[2]}`);
      else if (Array.from(name).length === 1) this.#tmux('send-keys', '-l', name);
      else this.#tmux('send-keys', name);
    }
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

  /** What was copied last; '' where nothing was. */
  clipboard(): string {
    try {
      return this.#tmux('show-buffer');
    } catch {
      return '';
    }
  }

  /** Puts something on the screen behind the program's back. */
  scribble(text: string): void {
    writeFileSync(this.#tmux('display-message', '-p', '#{pane_tty}').trim(), text);
  }

  /** Whether it is the screen that programs switch to. */
  isAlternate(): boolean {
    return this.#tmux('display-message', '-p', '#{alternate_on}').trim() === '1';
  }

  async shows(pattern: RegExp): Promise<string> {
    let last = '';
    try {
      return await eventually(
        String(pattern),
        () => {
          last = this.screen();
          return pattern.test(last) ? last : undefined;
        },
        PATIENCE_MS,
      );
    } catch {
      throw new Error(`${String(pattern)} did not appear; the screen:\n${last}`);
    }
  }

  async hides(pattern: RegExp): Promise<string> {
    let last = '';
    try {
      return await eventually(
        `no ${String(pattern)}`,
        () => {
          last = this.screen();
          return pattern.test(last) ? undefined : last;
        },
        PATIENCE_MS,
      );
    } catch {
      throw new Error(`${String(pattern)} did not go away; the screen:\n${last}`);
    }
  }

  /** The command that was run has ended; answers the screen. */
  ended(): Promise<string> {
    // As long as the line that was typed stands there, what is below is of the command before.
    return this.shows(/^(?![^]*clear; )(?:[^]*\n)?status=\d+(?:\n|$)/);
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
      cwd: this.project.dir,
      env: {
        ...this.project.env,
        ENV: '.shrc',
        TERM: 'xterm-256color',
        LC_ALL: 'C.UTF-8',
        NO_COLOR: '',
        XDG_CONFIG_HOME: `${this.project.dir}/.config`,
        ...this.#env,
      },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }
}

export interface OpenOptions {
  readonly size?: readonly [number, number];
  readonly env?: Readonly<Record<string, string>>;
  /** Absent: `setpoint up`, which holds the lease. */
  readonly command?: 'setpoint tui';
  readonly files?: Readonly<Record<string, string>>;
}

/** A project of its own, shown on a terminal of its own. */
export async function opened(
  ctx: TestContext,
  manifest: string,
  options: OpenOptions = {},
): Promise<TuiTerminal> {
  const project = newProject(ctx, { 'setpoint.yaml': manifest, ...options.files });
  const [columns, rows] = options.size ?? [120, 40];
  const terminal = new TuiTerminal(ctx, project, columns, rows, options.env);
  if (options.command !== undefined) await project.ok('up', '-d', '--wait');
  terminal.run(options.command ?? 'setpoint up');
  await terminal.shows(/^│ ● \S+ +(?:running|ready)/m);
  return terminal;
}

/** The process that shows the TUI of this project. */
export function tuiPid(project: TestProject): number {
  const found = processesWith(project.dir).find(({ command }) => / (?:up|tui)$/.test(command.trim()));
  if (found === undefined) throw new Error('the TUI does not run');
  return found.pid;
}

/** Rows of a frame whose right border does not stand where the left one began. */
export function brokenRows(screen: string): readonly string[] {
  return screen.split('\n').filter((line) => /^[│┌└]/.test(line) && !/[│┐┘]$/.test(line));
}
