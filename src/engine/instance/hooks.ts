import type { CommandEnd, ProjectEventBody } from '../../core/event.ts';
import { concreteCommand } from '../../core/launch.ts';
import { err, ok, type Result, unreachable } from '../../core/util/result.ts';
import type { Hook } from '../../core/service.ts';
import type { Proc } from '../../ports/backend.ts';
import type { CommandResult, CommandRunner } from '../../ports/commands.ts';
import type { RunId } from '../../core/state.ts';
import type { PreparedLaunch } from './engine-view.ts';

export interface HookHost {
  readonly commands: CommandRunner;
  /** Runs the hooks that run where the service is, if that is not on the machine and there is something to be in. */
  within(): CommandRunner | undefined;
  /** What hooks run with; undefined where that is not known. */
  prepared(): Promise<PreparedLaunch | undefined>;
  readonly tell: (happening: ProjectEventBody) => void;
  /** Without the secrets it may hold. */
  readonly masked: (text: string) => string;
}

/** The hooks of one run: runs them, tells how they went, and kills those under way when they are given up. */
export class HookRunner {
  readonly #host: HookHost;
  readonly #underWay = new Set<AbortController>();

  constructor(host: HookHost) {
    this.#host = host;
  }

  /** `run`: see `runHook`. No hook is as good as one that went well. */
  async run(name: string, hook: Hook | undefined, run?: RunId): Promise<Result<void, string>> {
    if (hook === undefined) return ok(undefined);
    const { commands, masked, tell } = this.#host;
    const within = WITHIN.has(name) ? this.#host.within() : undefined;
    const prepared = await this.#host.prepared();
    if (prepared === undefined) return err(`${name} could not run: its environment is not known`);
    const controller = new AbortController();
    this.#underWay.add(controller);
    const { signal } = controller;
    const options = {
      commands,
      signal,
      ...(run === undefined ? {} : { run }),
      ...(within === undefined ? {} : { within }),
    };
    const { end, output: plain } = await runHook(hook, prepared, { ...options, name });
    this.#underWay.delete(controller);
    const good = end.kind === 'exited' && end.code === 0;
    const output = masked(plain);
    tell({ type: 'hook-ran', hook: name, ok: good, end, ...(output === '' ? {} : { output }) });
    return good ? ok(undefined) : err(`${name} failed: ${failureText(end, output)}`);
  }

  /** Kills what is under way. */
  giveUp(): void {
    for (const hook of this.#underWay) hook.abort();
  }
}

/** Before the start and after the end there is nothing to be in. */
const WITHIN: ReadonlySet<string> = new Set(['post_start', 'pre_stop', 'stop.command']);

interface HookOptions {
  readonly name: string;
  readonly commands: CommandRunner;
  /** Runs it instead, in the unit's own environment and folder. */
  readonly within?: CommandRunner;
  readonly signal: AbortSignal;
  readonly run?: RunId;
}

/**
 * Runs a hook in the service's environment and folder. `output`: its last line, not yet masked. Aborting `signal` kills
 * it. `run`: it is a part of this run's unit, and ends with that whoever ends it. Never rejects.
 */
async function runHook(
  hook: Hook,
  prepared: PreparedLaunch,
  { name, commands, within, signal, run }: HookOptions,
): Promise<{ readonly end: CommandEnd; readonly output: string }> {
  const context = within === undefined ? prepared.onMachine : prepared.context;
  const argv = concreteCommand(hook.command, context);
  if (!argv.ok) return { end: { kind: 'unresolved' }, output: argv.error };
  const result = await (within ?? commands).run({
    argv: argv.value,
    cwd: prepared.launch.cwd,
    env: {
      ...(within === undefined ? prepared.launch.env : {}),
      SETPOINT_HOOK: name,
      ...(run === undefined ? {} : { SETPOINT_RUN: run }),
    },
    timeoutMs: hook.timeoutMs,
    signal,
  });
  const last = result.output.trimEnd().split('\n').at(-1) ?? '';
  return { end: endOf(result, hook.timeoutMs), output: last.slice(0, MAX_OUTPUT) };
}

const MAX_OUTPUT = 300;

function endOf({ kind, code, signal }: CommandResult, timeoutMs: number): CommandEnd {
  switch (kind) {
    case 'exited':
      return { kind, code: code ?? 0 };
    case 'signalled':
      return { kind, ...(signal === undefined ? {} : { signal }) };
    case 'timed-out':
      return { kind, afterMs: timeoutMs };
    case 'not-started':
      return { kind };
    default:
      return unreachable(kind);
  }
}

/** For the message of a start that failed because of it. */
function failureText(end: CommandEnd, output: string): string {
  return [endText(end), output].filter((part) => part !== '').join(': ');
}

function endText(end: CommandEnd): string {
  switch (end.kind) {
    case 'exited':
      return `exit ${end.code}`;
    case 'signalled':
      return `killed by ${end.signal ?? 'a signal'}`;
    case 'timed-out':
      return `no end within ${end.afterMs} ms`;
    case 'not-started':
      return 'could not be started';
    case 'unresolved':
    case 'text':
      return '';
    default:
      return unreachable(end);
  }
}

/**
 * Runs commands within a unit that is not on the machine, in its own environment and folder: of a request's `env` only
 * what is to be set besides, and `cwd` not at all. Undefined where commands for the unit run on the machine.
 */
export function runnerWithin(proc: Proc | undefined): CommandRunner | undefined {
  if (proc?.exec === undefined) return undefined;
  const exec = proc.exec.bind(proc);
  return {
    run: ({ argv, env, timeoutMs, signal }) =>
      exec(argv, { env, timeoutMs, ...(signal === undefined ? {} : { signal }) }),
  };
}
