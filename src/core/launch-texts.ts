import type { Command, ContainerSpec, Launch, LaunchCommand } from './service.ts';
import { unreachable } from './util/result.ts';

/** The texts of a launch: where they are, and how all of them are turned into something else. */

/** In the order in which what is wrong with one of them is told. */
export function launchTexts<T>({ command, env, envAppend, socket, container }: Launch<T>): readonly T[] {
  return [
    ...commandTexts(command),
    ...Object.values(env),
    ...envAppend.map(({ value }) => value),
    ...(socket === undefined ? [] : [socket]),
    ...(container?.entrypoint ?? []),
  ];
}

export function commandTexts<T>(command: LaunchCommand<T>): readonly T[] {
  switch (command.kind) {
    case 'shell':
      return [command.script];
    case 'exec':
      return command.argv;
    case 'image':
      return [];
    default:
      return unreachable(command);
  }
}

/** A text that is left out here does not compile: what stays as it was is of the wrong kind. */
export function mapLaunch<From, To>(launch: Launch<From>, to: (text: From) => To): Launch<To> {
  const { command, socket, container, ...rest } = launch;
  return {
    ...rest,
    command: command.kind === 'image' ? command : mapCommand(command, to),
    // Also makes a property of `__proto__`, which an assignment would not.
    env: Object.fromEntries(Object.entries(launch.env).map(([name, text]) => [name, to(text)])),
    envAppend: launch.envAppend.map((entry) => ({ ...entry, value: to(entry.value) })),
    ...(socket === undefined ? {} : { socket: to(socket) }),
    ...(container === undefined ? {} : { container: mapContainer(container, to) }),
  };
}

export function mapCommand<From, To>(command: Command<From>, to: (text: From) => To): Command<To> {
  return command.kind === 'shell'
    ? { ...command, script: to(command.script) }
    : { ...command, argv: command.argv.map((text) => to(text)) };
}

function mapContainer<From, To>(
  { entrypoint, ...settings }: ContainerSpec<From>,
  to: (text: From) => To,
): ContainerSpec<To> {
  return {
    ...settings,
    ...(entrypoint === undefined ? {} : { entrypoint: entrypoint.map((text) => to(text)) }),
  };
}
