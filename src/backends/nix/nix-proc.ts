import { readlinkSync } from 'node:fs';
import type { Exit } from '../../core/exit.ts';
import type { ExecOptions, NotifyFeed, Proc, ProcInput, UnitMember, UnitStats } from '../../ports/backend.ts';
import type { CommandResult, CommandRunner } from '../../ports/commands.ts';
import { environmentOf, withoutRunVariables } from '../../host/process-environment.ts';

/** What is known of a unit that was started here; of one of an earlier daemon its process is asked. */
export interface StartedWith {
  /** The service's working directory. */
  readonly cwd?: string;
  /** The whole environment that it was given. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A unit whose commands run on the machine, but in the environment that its main process was started with: the shell's. */
export class NixProc implements Proc {
  readonly run: string;
  readonly over?: true;
  readonly notify?: NotifyFeed;
  readonly input?: ProcInput;
  readonly #proc: Proc;
  readonly #commands: CommandRunner;
  readonly #known: StartedWith;

  constructor(proc: Proc, commands: CommandRunner, known: StartedWith) {
    this.#proc = proc;
    this.#commands = commands;
    this.#known = known;
    this.run = proc.run;
    if (proc.over !== undefined) this.over = proc.over;
    if (proc.notify !== undefined) this.notify = proc.notify;
    if (proc.input !== undefined) this.input = proc.input;
  }

  get exited(): Promise<Exit> {
    return this.#proc.exited;
  }

  get gone(): Promise<void> {
    return this.#proc.gone;
  }

  pid(): number | undefined {
    return this.#proc.pid();
  }

  signal(signal: string, scope: 'unit' | 'main'): Promise<number> {
    return this.#proc.signal(signal, scope);
  }

  members(): Promise<readonly UnitMember[]> {
    return this.#proc.members();
  }

  stats(): Promise<UnitStats | undefined> {
    return this.#proc.stats();
  }

  exec(argv: readonly string[], { env, cwd, timeoutMs, signal }: ExecOptions): Promise<CommandResult> {
    const pid = this.pid();
    const own = this.#known.env ?? startedWith(pid);
    const folder = cwd ?? this.#known.cwd ?? (pid === undefined ? undefined : folderOf(pid));
    if (own === undefined || folder === undefined) {
      return Promise.resolve({
        kind: 'not-started',
        output: 'the environment of its process cannot be read',
      });
    }
    return this.#commands.run({
      argv,
      cwd: folder,
      env: { ...own, ...env },
      timeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
  }
}

/** The environment that a command beside a process gets of it; one that has ended has none any more. */
function startedWith(pid: number | undefined): Readonly<Record<string, string>> | undefined {
  const env = pid === undefined ? {} : withoutRunVariables(environmentOf(pid) ?? {});
  return Object.keys(env).length === 0 ? undefined : env;
}

function folderOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}
