import type { Command } from 'commander';
import type { Common } from './common.ts';
import { loadRequest } from './common.ts';
import type { CliContext } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { isHidden } from './program.ts';

interface Word {
  readonly name: string;
  readonly description: string;
}

interface OptionWords extends Word {
  /** The name is the long form; this is the short one. */
  readonly short?: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  readonly isPath: boolean;
}

interface CommandWords extends Word {
  readonly aliases: readonly string[];
  readonly options: readonly OptionWords[];
  /** What its arguments are: services of the project, or some of these words. */
  readonly takesServices: boolean;
  readonly choices: readonly string[];
}

/** Prints the script by which a shell completes commands, options, their values and services. */
export function completion(
  context: CliContext,
  program: Command,
  shell: 'bash' | 'zsh' | 'fish',
): ExitStatus {
  const commands = program.commands
    .filter((command) => !isHidden(command))
    .map((command) => wordsOf(command, program));
  const globals = optionsOf(program);
  const script = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell];
  context.stdout.write(script(commands, globals));
  return EXIT.ok;
}

/** Prints the ids of the project's services, one a line; nothing where they cannot be told. Never says why. */
export async function completeServices(common: Common): Promise<ExitStatus> {
  const { services, context, globals } = common;
  const found = await services.locate({
    cwd: context.cwd,
    files: globals.files,
    ...(globals.projectName === undefined ? {} : { projectName: globals.projectName }),
    manifestFirst: false,
  });
  if (!found.ok) return EXIT.ok;
  const client = await services.connect(found.value).catch(() => undefined);
  let ids: readonly string[];
  if (client === undefined) {
    const nothing = { profile: ['*'], set: {}, envFile: [] };
    ids = (await services.loadManifest(loadRequest(common, found.value, nothing, []))).services ?? [];
  } else {
    const { services: shown } = await client.snapshot();
    client.close();
    ids = shown.flatMap(({ id, instances }) => [
      id,
      ...(instances.length > 1 ? instances.map((one) => one.id) : []),
    ]);
  }
  context.stdout.write(ids.map((id) => `${id}\n`).join(''));
  return EXIT.ok;
}

function wordsOf(command: Command, program: Command): CommandWords {
  const [argument] = command.registeredArguments;
  const name = argument?.name() ?? '';
  return {
    name: command.name(),
    description: command.description(),
    aliases: command.aliases(),
    options: optionsOf(command),
    takesServices: name.startsWith('service'),
    choices:
      argument?.argChoices ??
      (command.name() === 'help'
        ? [...program.commands.filter((one) => !isHidden(one)).map((one) => one.name()), 'exit-status']
        : []),
  };
}

function optionsOf(command: Command): OptionWords[] {
  const own = command.options.map((option): OptionWords => ({
    name: option.long ?? '',
    description: option.description,
    ...(option.short === undefined ? {} : { short: option.short }),
    takesValue: option.required,
    choices: option.argChoices ?? [],
    isPath: /<path>/.test(option.flags),
  }));
  return [
    ...own,
    { name: '--help', short: '-h', description: 'show help', takesValue: false, choices: [], isPath: false },
  ];
}

/** All spellings of the options that take a value, as a shell pattern. */
function valued(options: readonly OptionWords[]): string {
  const names = options
    .filter(({ takesValue }) => takesValue)
    .flatMap(({ name, short }) => (short === undefined ? [name] : [name, short]));
  return [...new Set(names)].join('|');
}

function spellings(options: readonly OptionWords[]): string {
  return options.flatMap(({ name, short }) => (short === undefined ? [name] : [name, short])).join(' ');
}

/** What both shells do alike: finds the command and the options that say which project is meant. */
function scan(globals: readonly OptionWords[]): string {
  return `    case "$word" in
      -f|--file|--project-name|-C|--directory)
        [ "$word" = -f ] && { [ "$cmd" = logs ] || [ "$cmd" = events ]; } && continue
        [ "$word" = -f ] && project+=(--file) || project+=("$word")
        take=1 ;;
      ${valued(globals)}) skip=1 ;;
      -*) ;;
      *) [ -z "$cmd" ] && cmd="$word" ;;
    esac`;
}

function valueCases(
  options: readonly OptionWords[],
  paths: string,
  words: (list: string) => string,
): string[] {
  return options.flatMap(({ name, short, choices, isPath, takesValue }) => {
    const pattern = short === undefined ? name : `${name}|${short}`;
    if (choices.length > 0 && takesValue)
      return [`        ${pattern}) ${words(choices.join(' '))}; return ;;`];
    if (isPath) return [`        ${pattern}) ${paths}; return ;;`];
    return takesValue ? [`        ${pattern}) return ;;`] : [];
  });
}

function bashScript(commands: readonly CommandWords[], globals: readonly OptionWords[]): string {
  const words = (list: string): string => `COMPREPLY=($(compgen -W "${list}" -- "$cur"))`;
  const paths = 'COMPREPLY=($(compgen -f -- "$cur"))';
  const cases = commands.map(({ name, aliases, options, takesServices, choices }) => {
    const plain = takesServices
      ? words('$(setpoint __complete services "${project[@]}" 2>/dev/null)')
      : choices.length > 0
        ? words(choices.join(' '))
        : 'return';
    return `    ${[name, ...aliases].join('|')})
      case "$prev" in
${valueCases(options, paths, words).join('\n')}
      esac
      case "$cur" in
        -*) ${words(spellings(options))} ;;
        *) ${plain} ;;
      esac ;;`;
  });
  return `# bash completion of setpoint
_setpoint() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" cmd="" word i skip="" take=""
  local project=()
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    if [ -n "$take" ]; then project+=("$word"); take=""; continue; fi
    if [ -n "$skip" ]; then skip=""; continue; fi
${scan(globals)}
  done
  # A project option that is being typed has no value yet.
  [ -n "$take" ] && project=()
  case "$cmd" in
    '')
      case "$prev" in
${valueCases(globals, paths, words).join('\n')}
      esac
      case "$cur" in
        -*) ${words(spellings(globals))} ;;
        *) ${words(commands.map(({ name }) => name).join(' '))} ;;
      esac ;;
${cases.join('\n')}
  esac
}
complete -o default -F _setpoint setpoint
`;
}

function zshScript(commands: readonly CommandWords[], globals: readonly OptionWords[]): string {
  const words = (list: string): string => `compadd -- ${list}`;
  const described = (list: readonly { readonly name: string; readonly description: string }[]): string =>
    list.map(({ name, description }) => zshQuote(`${name.replaceAll(':', '\\:')}:${description}`)).join(' ');
  const cases = commands.map(({ name, aliases, options, takesServices, choices }) => {
    const plain = takesServices
      ? 'compadd -- ${(f)"$(setpoint __complete services "${project[@]}" 2>/dev/null)"}'
      : choices.length > 0
        ? words(choices.join(' '))
        : 'return';
    return `    ${[name, ...aliases].join('|')})
      case "$prev" in
${valueCases(options, '_files', words).join('\n')}
      esac
      case "$cur" in
        -*) list=(${described(options)}); _describe -o option list ;;
        *) ${plain} ;;
      esac ;;`;
  });
  return `#compdef setpoint
# zsh completion of setpoint
_setpoint() {
  local cur="\${words[CURRENT]}" prev="\${words[CURRENT-1]}" cmd="" word i skip="" take=""
  local -a project list
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    if [ -n "$take" ]; then project+=("$word"); take=""; continue; fi
    if [ -n "$skip" ]; then skip=""; continue; fi
${scan(globals)}
  done
  [ -n "$take" ] && project=()
  case "$cmd" in
    '')
      case "$prev" in
${valueCases(globals, '_files', words).join('\n')}
      esac
      case "$cur" in
        -*) list=(${described(globals)}); _describe -o option list ;;
        *) list=(${described(commands)}); _describe command list ;;
      esac ;;
${cases.join('\n')}
  esac
}
if [ "\${funcstack[1]}" = _setpoint ]; then _setpoint "$@"; else compdef _setpoint setpoint; fi
`;
}

function zshQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishScript(commands: readonly CommandWords[], globals: readonly OptionWords[]): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const option = (
    condition: string,
    { name, short, description, takesValue, choices, isPath }: OptionWords,
  ): string => {
    const parts = ['complete -c setpoint', `-n ${quote(condition)}`, `-l ${name.replace(/^--/, '')}`];
    if (short !== undefined) parts.push(`-s ${short.replace(/^-/, '')}`);
    if (choices.length > 0 && takesValue) parts.push(`-x -a ${quote(choices.join(' '))}`);
    else if (isPath) parts.push('-r -F');
    else if (takesValue) parts.push('-x');
    return [...parts, `-d ${quote(description)}`].join(' ');
  };
  const lines = ['# fish completion of setpoint', 'complete -c setpoint -f'];
  for (const { name, description } of commands) {
    lines.push(`complete -c setpoint -n __fish_use_subcommand -a ${name} -d ${quote(description)}`);
  }
  for (const one of globals) lines.push(option('__fish_use_subcommand', one));
  for (const { name, aliases, options, takesServices, choices } of commands) {
    const condition = `__fish_seen_subcommand_from ${[name, ...aliases].join(' ')}`;
    for (const one of options) lines.push(option(condition, one));
    if (takesServices) {
      lines.push(
        `complete -c setpoint -n ${quote(condition)} -a '(setpoint __complete services 2>/dev/null)'`,
      );
    } else if (choices.length > 0) {
      lines.push(`complete -c setpoint -n ${quote(condition)} -a ${quote(choices.join(' '))}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
