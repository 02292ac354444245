import { Command, Option } from 'commander';
import type { ActionOptions } from './actions.ts';
import type { CheckOptions } from './check.ts';
import type { Common, Format } from './common.ts';
import type { ConfigOptions } from './config.ts';
import type { CliContext } from './context.ts';
import type { DownOptions } from './down.ts';
import type { EventsOptions } from './events.ts';
import type { ExitStatus } from './exit-status.ts';
import type { ExplainOptions } from './explain.ts';
import {
  collect,
  durationOption,
  formatOption,
  keyValue,
  lineCount,
  optionDescription,
  pointInTime,
  scaleTarget,
  signalName,
  wholeNumber,
} from './grammar.ts';
import type { InitOptions } from './init.ts';
import type { LogsOptions } from './logs.ts';
import type { PlanOptions } from './plan.ts';
import { versionText } from './product.ts';
import type { StatusOptions } from './status.ts';
import type { UpOptions } from './up.ts';
import type { WaitOptions } from './wait.ts';

/** Runs one command: reads the options that every command takes, and keeps the status it ends with. */
export type Dispatch = (
  command: Command,
  act: (common: Common) => ExitStatus | Promise<ExitStatus>,
) => Promise<void>;

/** Commands on which `-f` means follow, so that a manifest is named there with `--file` alone. */
const FOLLOWING = new Set(['logs', 'events']);

/**
 * The names that `addLifecycle` and `addReading` define. Where the command line begins with one of them, the other
 * commands are not defined at all: that takes longer than what most of them do.
 */
const LIFECYCLE_NAMES: readonly string[] = ['up', 'down', 'start', 'restart', 'stop', 'scale', 'kill'];
const READING_NAMES: readonly string[] = ['status', 'ps', 'ls', 'logs', 'explain', 'events', 'wait'];

/**
 * The grammar of the command line. Each command imports its own file when it runs, so a start pays for nothing
 * else. `prepare` is applied to the program before the commands are added, which inherit it.
 */
export function buildProgram(
  context: CliContext,
  dispatch: Dispatch,
  prepare: (program: Command) => void,
): Command {
  const program = new Command('setpoint');
  prepare(program);
  program
    .description('A declarative process manager: one manifest, and the machine kept matching it.')
    .usage('[options] COMMAND')
    .enablePositionalOptions()
    .helpCommand(false)
    .helpOption('-h, --help', 'show help');
  addGlobals(program, true);
  program.optionsGroup('Options:').version(versionText(), '-V, --version', 'print the version');
  program.configureHelp({ optionDescription });
  const define = (group: string, usage: string, description: string): Command => {
    program.commandsGroup(group);
    return program.command(usage).description(description).helpOption('-h, --help', 'show help');
  };
  const asked = context.argv[0] ?? '';
  const alone = [LIFECYCLE_NAMES, READING_NAMES].find((names) => names.includes(asked));
  if (alone !== READING_NAMES) addLifecycle(define, dispatch);
  if (alone !== LIFECYCLE_NAMES) addReading(define, dispatch, context);
  if (alone === undefined) {
    addManifest(define, dispatch);
    addRest(define, dispatch, program);
  }
  for (const command of program.commands) {
    if (!isHidden(command)) addGlobals(command, !FOLLOWING.has(command.name()));
  }
  program.addHelpText(
    'after',
    '\n`setpoint help COMMAND` tells more; `setpoint help exit-status` lists the exit statuses.',
  );
  return program;
}

type Define = (group: string, usage: string, description: string) => Command;

function addGlobals(command: Command, short: boolean): void {
  command
    .optionsGroup('Options of every command:')
    .addOption(
      new Option(`${short ? '-f, ' : ''}--file <path>`, 'a manifest; repeat it to override the ones before')
        .argParser(collect)
        .default([], 'setpoint.yaml here or above'),
    )
    .option('--project-name <name>', 'the project of that name')
    .option('-C, --directory <path>', 'act as if started in that folder')
    .addOption(new Option('--color <when>', 'when to colour').choices(['auto', 'always', 'never']))
    .option('--no-color', 'the same as --color never');
}

function addLoading(command: Command): Command {
  return command
    .option('--profile <name>', 'also take services of this profile (or SETPOINT_PROFILES=a,b)', collect, [])
    .option('--set <KEY=VALUE>', 'a variable for the manifest', keyValue, {})
    .option('--env-file <path>', 'variables for the manifest from a file', collect, []);
}

function addActing(command: Command): Command {
  return command
    .option('-l, --label <key[=value]>', 'services with this label', collect, [])
    .addOption(durationOption('--timeout <duration>', 'give up waiting after this long', '10m'))
    .option('--plain', 'plain lines instead of a display that is redrawn', false);
}

const LIFECYCLE = 'Start and stop:';

function addLifecycle(define: Define, dispatch: Dispatch): void {
  const up = define(LIFECYCLE, 'up', 'make what runs match the manifest')
    .argument('[services...]', 'only these and what they depend on')
    .option('-d, --detach', 'return, and leave the project running', false)
    .option('--wait', 'return once everything is up, or fail naming the culprit (implies --detach)', false)
    .addOption(
      durationOption(
        '--timeout <duration>',
        'with --detach or --wait: give up waiting after this long',
        '1m',
      ),
    )
    .option('--plain', 'plain lines instead of a display that is redrawn', false)
    .addOption(
      new Option('--foreground', 'do the work of the daemon in this process')
        .default(false)
        .conflicts(['detach', 'wait']),
    );
  addLoading(up).action((names: string[], _: unknown, command: Command) =>
    dispatch(command, async (common) =>
      (await import('./up.ts')).up(common, names, command.opts<UpOptions>()),
    ),
  );
  define(LIFECYCLE, 'down', 'stop everything, in order, and check that nothing is left')
    .addOption(durationOption('--timeout <duration>', 'kill what is left after this long'))
    .option('--reason <text>', 'why, for the journal')
    .option('--plain', 'plain lines instead of a display that is redrawn', false)
    .action((_: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./down.ts')).down(common, command.opts<DownOptions>()),
      ),
    );
  for (const [action, description] of [
    ['start', 'start services, and what they depend on'],
    ['restart', 'stop services and start them afresh'],
  ] as const) {
    addActing(
      define(LIFECYCLE, action, description).argument('[services...]', 'services or instances; none: all'),
    ).action((names: string[], _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./actions.ts')).startOrRestart(common, action, names, command.opts<ActionOptions>()),
      ),
    );
  }
  addActing(
    define(LIFECYCLE, 'stop', 'stop services; they stay stopped until started').argument(
      '[services...]',
      'services or instances; none: all',
    ),
  ).action((names: string[], _: unknown, command: Command) =>
    dispatch(command, async (common) =>
      (await import('./actions.ts')).stop(common, names, command.opts<ActionOptions>()),
    ),
  );
  define(LIFECYCLE, 'scale', 'change how many instances of services run')
    .argument('<service=number...>', 'such as web=3', scaleTarget)
    .addOption(durationOption('--timeout <duration>', 'give up waiting after this long', '10m'))
    .option('--plain', 'plain lines instead of a display that is redrawn', false)
    .action((targets: readonly { service: string; replicas: number }[], _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./actions.ts')).scale(common, targets, command.opts<ActionOptions>()),
      ),
    );
  define(LIFECYCLE, 'kill', 'send a signal to services')
    .argument('[services...]', 'services or instances; none: all')
    .option('-s, --signal <signal>', 'the signal', signalName, 'SIGKILL')
    .option('-l, --label <key[=value]>', 'services with this label', collect, [])
    .action((names: string[], _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./actions.ts')).kill(
          common,
          names,
          command.opts<{ label: string[]; signal: string }>(),
        ),
      ),
    );
}

const READING = 'Look:';

function addReading(define: Define, dispatch: Dispatch, context: CliContext): void {
  define(READING, 'status', 'show what runs')
    .aliases(['ps', 'ls'])
    .option('-a, --all', 'also name the services that no active profile takes', false)
    .addOption(formatOption())
    .action((_: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./status.ts')).status(common, command.opts<StatusOptions>()),
      ),
    );
  define(READING, 'logs', 'print what services wrote')
    .argument('[services...]', 'services or instances; none: all')
    .option('-f, --follow', 'go on with what they write', false)
    .option(
      '-n, --tail <lines>',
      'the last lines of each; `all`; with --follow 100 unless told otherwise',
      lineCount,
    )
    .option(
      '--since <time>',
      'from then on: 10m ago, or a date and time',
      pointInTime(() => context.now()),
    )
    .addOption(new Option('--stream <name>', 'one of the two streams').choices(['stdout', 'stderr']))
    .option('--previous', 'of the run before the present one', false)
    .option('-t, --timestamps', 'with the time of each line', false)
    .option('--no-prefix', 'without the name of the service')
    .option('-l, --label <key[=value]>', 'services with this label', collect, [])
    .addOption(formatOption())
    .addHelpText('after', LOGS_HELP)
    .action((names: string[], _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./logs.ts')).logs(common, names, command.opts<LogsOptions>()),
      ),
    );
  define(READING, 'explain', 'say what a service does, why, and what comes next')
    .argument('<service>')
    .addOption(formatOption())
    .action((name: string, _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./explain.ts')).explain(common, name, command.opts<ExplainOptions>()),
      ),
    );
  define(READING, 'events', 'print what has happened')
    .argument('[service]')
    .option('-f, --follow', 'go on with what happens', false)
    .option('-n, --number <n>', 'how many of the newest', wholeNumber, 50)
    .addOption(formatOption())
    .action((service: string | undefined, _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./events.ts')).events(common, service, command.opts<EventsOptions>()),
      ),
    );
  define(READING, 'wait', 'wait until services have reached a state')
    .argument('[services...]', 'services or instances; none: all')
    .addOption(
      new Option('--for <state>', 'the state')
        .choices(['running', 'completed', 'stopped'])
        .default('running'),
    )
    .addOption(durationOption('--timeout <duration>', 'give up after this long'))
    .action((names: string[], _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./wait.ts')).wait(common, names, command.opts<WaitOptions>()),
      ),
    );
}

const LOGS_HELP = `
On a terminal, what services write keeps its colours, and loses what would move the cursor. Elsewhere
every byte is printed as it was written. NO_COLOR and --no-color leave the text alone.
JSON is one object a line.`;

const MANIFEST = 'The manifest:';

function addManifest(define: Define, dispatch: Dispatch): void {
  addLoading(
    define(MANIFEST, 'plan', 'show what `up` would do, and why')
      .argument('[services...]', 'only these and what they depend on')
      .addOption(formatOption()),
  )
    .addHelpText('after', '\nExit status: 0 nothing to do, 2 something to do, 1 error.')
    .action((names: string[], _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./plan.ts')).plan(common, names, command.opts<PlanOptions>()),
      ),
    );
  addLoading(
    define(MANIFEST, 'check', 'report every problem of the manifest').addOption(formatOption()),
  ).action((_: unknown, command: Command) =>
    dispatch(command, async (common) =>
      (await import('./check.ts')).check(common, command.opts<CheckOptions>()),
    ),
  );
  addLoading(
    define(MANIFEST, 'config', 'print the manifest merged and interpolated, secrets masked')
      .option('--origin', 'with the file and line that each value came from', false)
      .addOption(formatOption(['text', 'yaml', 'json'])),
  ).action((_: unknown, command: Command) =>
    dispatch(command, async (common) =>
      (await import('./config.ts')).config(common, command.opts<ConfigOptions>()),
    ),
  );
  define(MANIFEST, 'init', 'write a manifest to begin with')
    .option('--force', 'overwrite one that is there', false)
    .action((_: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./init.ts')).init(common, command.opts<InitOptions>()),
      ),
    );
}

const REST = 'Setpoint itself:';

function addRest(define: Define, dispatch: Dispatch, program: Command): void {
  define(REST, 'doctor', 'report what this machine lacks')
    .addOption(formatOption())
    .action((_: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./doctor.ts')).doctor(common, command.opts<{ format: Format }>()),
      ),
    );
  define(REST, 'version', 'print the version')
    .addOption(formatOption())
    .action((_: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./version.ts')).version(common, command.opts<{ format: Format }>()),
      ),
    );
  define(REST, 'completion', 'print the completion script of a shell')
    .addArgument(program.createArgument('<shell>', 'which').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', COMPLETION_HELP)
    .action((shell: 'bash' | 'zsh' | 'fish', _: unknown, command: Command) =>
      dispatch(command, async ({ context }) =>
        (await import('./completion.ts')).completion(context, program, shell),
      ),
    );
  define(REST, 'help', 'show help of a command')
    .argument('[topic]', 'a command, or exit-status')
    .action((topic: string | undefined, _: unknown, command: Command) =>
      dispatch(command, async ({ context }) => (await import('./help.ts')).help(context, program, topic)),
    );
  program
    .command('__complete', { hidden: true })
    .argument('<what>')
    .addOption(new Option('--file <path>').argParser(collect).default([]))
    .option('--project-name <name>')
    .option('-C, --directory <path>')
    .action((_what: string, _: unknown, command: Command) =>
      dispatch(command, async (common) => (await import('./completion.ts')).completeServices(common)),
    );
}

const COMPLETION_HELP = `
  bash  eval "$(setpoint completion bash)"             in ~/.bashrc
  zsh   eval "$(setpoint completion zsh)"              in ~/.zshrc, after compinit
  fish  setpoint completion fish | source              in ~/.config/fish/config.fish`;

/** Commands that are there for the program's own use. */
export function isHidden(command: Command): boolean {
  return command.name().startsWith('__');
}
