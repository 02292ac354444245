import { Command, Option } from 'commander';
import type { ActionOptions } from './actions.ts';
import type { CheckOptions } from './check.ts';
import type { Common, Format, LoadOptions } from './common.ts';
import type { ConfigOptions } from './config.ts';
import type { CliContext } from './context.ts';
import type { DownOptions } from './down.ts';
import type { EventsOptions } from './events.ts';
import type { ExitStatus } from './exit-status.ts';
import type { ExplainOptions } from './explain.ts';
import {
  collect,
  detachKeys,
  durationOption,
  formatOption,
  intervalOption,
  keyValue,
  lineCount,
  optionDescription,
  pointInTime,
  scaleTarget,
  signalName,
  wholeNumber,
} from './grammar.ts';
import {
  ATTACH_HELP,
  COMPLETION_HELP,
  EXEC_HELP,
  DAEMON_HELP,
  EXPLAIN_HELP,
  LOGS_HELP,
  REAP_HELP,
  RELOAD_HELP,
  STATUS_HELP,
  TOP_HELP,
  UP_HELP,
  WAIT_HELP,
} from './help-texts.ts';
import type { InitOptions } from './init.ts';
import type { AttachOptions } from './attach.ts';
import type { ExecCommandOptions } from './exec.ts';
import type { DaemonAction } from './daemon.ts';
import type { LogsOptions } from './logs.ts';
import type { PlanOptions } from './plan.ts';
import { versionText } from './product.ts';
import type { ReapCommandOptions } from './reap.ts';
import type { ReloadOptions } from './reload.ts';
import type { StatusOptions } from './status.ts';
import type { TopOptions } from './top.ts';
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
const LIFECYCLE_NAMES: readonly string[] = [
  'up',
  'down',
  'reload',
  'start',
  'restart',
  'stop',
  'scale',
  'kill',
];
const READING_NAMES: readonly string[] = [
  'status',
  'ps',
  'ls',
  'top',
  'logs',
  'attach',
  'exec',
  'tui',
  'explain',
  'events',
  'wait',
];

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
    .option('--wait', 'return once everything is ready, or fail naming the culprit (implies --detach)', false)
    .addOption(
      durationOption(
        '--timeout <duration>',
        'with --detach or --wait: give up waiting after this long',
        '1m',
      ),
    )
    .option('--plain', 'stream what services write, in plain lines, instead of the TUI', false)
    .addOption(
      new Option('--foreground', 'do the work of the daemon in this process')
        .default(false)
        .conflicts(['detach', 'wait']),
    )
    .addOption(new Option('--no-watch', 'leave it at that when the manifest is edited later'))
    .addOption(
      new Option('--review', 'hold what is edited later until `setpoint reload --yes`')
        .default(false)
        .conflicts(['watch']),
    );
  addLoading(up)
    .addHelpText('after', UP_HELP)
    .action((names: string[], _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./up.ts')).up(common, names, command.opts<UpOptions>()),
      ),
    );
  define(LIFECYCLE, 'down', 'stop everything, in order, and check that nothing is left')
    .addOption(durationOption('--timeout <duration>', 'kill what is left after this long'))
    .option('--reason <text>', 'why, for the journal')
    .option('-v, --volumes', 'also remove the volumes that the project made, with what is in them', false)
    .option('--plain', 'plain lines instead of a display that is redrawn', false)
    .action((_: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./down.ts')).down(common, command.opts<DownOptions>()),
      ),
    );
  define(LIFECYCLE, 'reload', 'take the manifest up again now')
    .option('-y, --yes', 'confirm what is held for review', false)
    .addOption(formatOption())
    .addHelpText('after', RELOAD_HELP)
    .action((_: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./reload.ts')).reload(common, command.opts<ReloadOptions>()),
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
    .addOption(formatOption())
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
    .argument('[services...]', 'services or instances; none: all')
    .option('-a, --all', 'also name the services that no active profile takes', false)
    .option('-l, --label <key[=value]>', 'services with this label', collect, [])
    .addOption(formatOption())
    .addHelpText('after', STATUS_HELP)
    .action((names: string[], _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./status.ts')).status(common, names, command.opts<StatusOptions>()),
      ),
    );
  define(READING, 'top', 'show what services use, again and again')
    .argument('[services...]', 'services or instances; none: all')
    .addOption(intervalOption('--interval <duration>', 'how often', '1s'))
    .option('--once', 'one table, as without a terminal', false)
    .addOption(new Option('--sort <by>', 'the order').choices(['cpu', 'mem', 'name']).default('cpu'))
    .addOption(formatOption())
    .addHelpText('after', TOP_HELP)
    .action((names: string[], _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./top.ts')).top(common, names, command.opts<TopOptions>()),
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
  define(READING, 'attach', 'type into a service, and see what it writes')
    .argument('<service>', 'a service or an instance')
    .addOption(
      new Option('--detach-keys <keys>', 'what leaves it, where it has a terminal')
        .argParser(detachKeys)
        .default(detachKeys('ctrl-p,ctrl-q'), 'ctrl-p,ctrl-q'),
    )
    .option('--no-backlog', 'without the last that it wrote before')
    .option('--read-only', 'only see what it writes', false)
    .addHelpText('after', ATTACH_HELP)
    .action((name: string, _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./attach.ts')).attach(common, name, command.opts<AttachOptions>()),
      ),
    );
  define(READING, 'exec', 'run a command where a service runs')
    .argument('<service>', 'a service or an instance')
    .argument('<command...>', 'program and arguments')
    .option('-T, --no-tty', 'no terminal for it, even where this is one')
    .option('-w, --workdir <folder>', "instead of the service's own")
    .option('-e, --env <key=value>', 'set this besides its environment; may be repeated', keyValue, {})
    .option('-u, --user <user>', 'in a container: run it as this user')
    .passThroughOptions()
    .addHelpText('after', EXEC_HELP)
    .action((name: string, argv: string[], _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./exec.ts')).exec(
          common,
          name,
          argv[0] === '--' ? argv.slice(1) : argv,
          command.opts<ExecCommandOptions>(),
        ),
      ),
    );
  addLoading(define(READING, 'tui', 'show the running project on the whole terminal')).action(
    (_: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./tui.ts')).tui(common, command.opts<LoadOptions>()),
      ),
  );
  define(READING, 'explain', 'say what a service does, why, and what comes next')
    .argument('[service]')
    .option(
      '--timeline',
      'how everything (or what this service waited for) came up, and what took how long',
      false,
    )
    .addOption(formatOption())
    .addHelpText('after', EXPLAIN_HELP)
    .action((name: string | undefined, _: unknown, command: Command) =>
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
        .choices(['ready', 'running', 'completed', 'stopped'])
        .default('ready'),
    )
    .addOption(durationOption('--timeout <duration>', 'give up after this long'))
    .addOption(formatOption())
    .addHelpText('after', WAIT_HELP)
    .action((names: string[], _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./wait.ts')).wait(common, names, command.opts<WaitOptions>()),
      ),
    );
}

const MANIFEST = 'The manifest:';

function addManifest(define: Define, dispatch: Dispatch): void {
  addLoading(
    define(MANIFEST, 'plan', 'show what `up` would do, and why')
      .argument('[services...]', 'only these and what they depend on')
      .addOption(formatOption(['text', 'json', 'docker'])),
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
  define(REST, 'daemon', 'look after the daemon itself; services run on')
    .addArgument(
      program.createArgument('<action>', 'what to do').choices(['status', 'restart', 'stop'] as const),
    )
    .addOption(formatOption())
    .addHelpText('after', DAEMON_HELP)
    .action((action: DaemonAction, _: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./daemon.ts')).daemon(common, action, command.opts<{ format: Format }>()),
      ),
    );
  define(REST, 'reap', 'end and remove what nobody wants any more, of all projects')
    .option('--dry-run', 'only say what would be done', false)
    .option('--unknown', 'also end processes of runs that no state directory knows', false)
    .option('--forget', 'remove the state directories of projects whose manifest is gone', false)
    .addOption(formatOption())
    .addHelpText('after', REAP_HELP)
    .action((_: unknown, command: Command) =>
      dispatch(command, async (common) =>
        (await import('./reap.ts')).reap(common, command.opts<ReapCommandOptions>()),
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

/** Commands that are there for the program's own use. */
export function isHidden(command: Command): boolean {
  return command.name().startsWith('__');
}
