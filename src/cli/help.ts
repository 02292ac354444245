import type { Command } from 'commander';
import { fail, type CliContext } from './context.ts';
import { EXIT, EXIT_STATUS_HELP, type ExitStatus } from './exit-status.ts';
import { isHidden } from './program.ts';
import { closest } from '../core/util/closest.ts';

export function help(context: CliContext, program: Command, topic: string | undefined): ExitStatus {
  if (topic === undefined) {
    program.outputHelp();
    return EXIT.ok;
  }
  if (topic === 'exit-status') {
    context.stdout.write(EXIT_STATUS_HELP);
    return EXIT.ok;
  }
  const commands = program.commands.filter((command) => !isHidden(command));
  const found = commands.find((command) => command.name() === topic || command.aliases().includes(topic));
  if (found !== undefined) {
    found.outputHelp();
    return EXIT.ok;
  }
  const near = closest(topic, ['exit-status', ...commands.map((command) => command.name())]);
  const next =
    near === undefined ? '`setpoint help` lists the commands' : `did you mean \`setpoint help ${near}\`?`;
  return fail(context, { message: `there is no help on \`${topic}\``, next }, EXIT.usage);
}
