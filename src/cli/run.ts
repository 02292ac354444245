import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { CommanderError, type Command } from 'commander';
import type { Globals } from './common.ts';
import { fail, type CliContext, type Problem } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { wantsColour, type ColourChoice } from '../words/colour.ts';
import { buildProgram, type Dispatch } from './program.ts';
import type { CliServices } from './services.ts';

/** Runs one command line to its end. Never rejects: what was not expected is said on stderr, with its stack. */
export async function runCli(context: CliContext, services: CliServices): Promise<ExitStatus> {
  let status: ExitStatus = EXIT.ok;
  const dispatch: Dispatch = async (command, act) => {
    const { directory, ...globals } = globalsOf(command);
    const cwd = directory === undefined ? context.cwd : resolve(context.cwd, directory);
    if (directory !== undefined && !isFolder(cwd)) {
      status = fail(
        context,
        { message: `there is no folder ${cwd}`, next: 'check the path given with --directory' },
        EXIT.usage,
      );
      return;
    }
    const color = wantsColour(globals.color, context.env, context.isTTY);
    status = await act({ context: { ...context, cwd, color }, services, globals });
  };
  const program = buildProgram(context, dispatch, (root) => prepare(root, context));
  try {
    await program.parseAsync(context.argv, { from: 'user' });
    return status;
  } catch (error) {
    // Without a command there is nothing to do but tell what there is.
    if (error instanceof CommanderError && error.code === 'commander.help') {
      program.outputHelp();
      return EXIT.ok;
    }
    return explainError(error, context);
  }
}

function prepare(program: Command, context: CliContext): void {
  program.exitOverride().configureOutput({
    writeOut: (text) => context.stdout.write(text),
    // Errors are told by `explainError`, once, in the form that all errors have.
    writeErr: () => undefined,
    outputError: () => undefined,
    getOutHelpWidth: () => context.columns() ?? 100,
    getOutHasColors: () => context.color,
  });
}

/** The options of every command, given before or after its name. The later one wins; manifests add up. */
function globalsOf(command: Command): Globals & { readonly directory?: string } {
  const levels: Command[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) levels.unshift(at);
  let color: ColourChoice = 'auto';
  let projectName: string | undefined;
  let directory: string | undefined;
  const files: string[] = [];
  for (const level of levels) {
    const own = level.opts<{
      file?: string[];
      projectName?: string;
      directory?: string;
      color?: string | boolean;
    }>();
    files.push(...(own.file ?? []));
    projectName = own.projectName ?? projectName;
    directory = own.directory ?? directory;
    if (own.color === false || own.color === 'never') color = 'never';
    else if (own.color === 'always' || own.color === 'auto') color = own.color;
  }
  return {
    files,
    color,
    ...(projectName === undefined ? {} : { projectName }),
    ...(directory === undefined ? {} : { directory }),
  };
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function explainError(error: unknown, context: CliContext): ExitStatus {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    return fail(context, usageProblem(error.message), EXIT.usage);
  }
  const known = clientProblem(error);
  if (known !== undefined) return fail(context, known.problem, known.status);
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return fail(
    context,
    { message: `this is a bug in setpoint: ${stack}`, next: 'please report it with the lines above' },
    EXIT.failure,
  );
}

/** Turns "error: unknown option '--x'\n(Did you mean --y?)" into our form. */
function usageProblem(message: string): Problem {
  const [first = '', ...rest] = message.replace(/^error: /, '').split('\n');
  const hint = /^\(Did you mean (.*)\?\)$/.exec(rest.join(' '))?.[1];
  return {
    message: first,
    next:
      hint === undefined
        ? '`setpoint help` lists the commands, `setpoint help COMMAND` its options'
        : `did you mean ${hint}?`,
  };
}

/** Errors of the client say what they are by a code; whatever the user named wrongly is bad usage. */
function clientProblem(
  error: unknown,
): { readonly problem: Problem; readonly status: ExitStatus } | undefined {
  if (!(error instanceof Error) || error.name !== 'ClientError' || !('code' in error)) return undefined;
  const help = 'help' in error && typeof error.help === 'string' ? error.help : undefined;
  const problem = { message: error.message, ...(help === undefined ? {} : { next: help }) };
  const code = String(error.code);
  return {
    problem,
    status: code === 'bad-request' || code.startsWith('unknown-') ? EXIT.usage : EXIT.failure,
  };
}
