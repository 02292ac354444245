import { isSafePattern } from '../core/errors.ts';
import type {
  Backoff,
  Command,
  Dependency,
  EnvAppend,
  ErrorPattern,
  Hook,
  Hooks,
  LaunchSpec,
  Limits,
  PortSpec,
  ServiceSpec,
  StopSpec,
  Text,
} from '../core/service.ts';
import type { Facts } from './facts.ts';
import type * as Manifest from './manifest-types.ts';
import type { Node } from './node.ts';
import { errorPreset } from './presets.ts';
import { child, itemsOf } from './reader.ts';
import type { Reader } from './reader.ts';
import type { RawService } from './services.ts';
import { closest } from './suggest.ts';

const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-c'];
const DEFAULT_HOOK_TIMEOUT_MS = 30_000;

type Service = Manifest.Service;

/**
 * Fills in the defaults and turns everything into the units of the core. Undefined where the service cannot be
 * described, which the report then says.
 */
export function normaliseService(
  service: RawService,
  facts: Facts,
  env: Readonly<Record<string, Text>>,
  origin: string,
  reader: Reader,
): ServiceSpec | undefined {
  const { id, node } = service;
  const shell = shellOf(child<Service>(node, 'shell'), reader);
  const command = reader.command(child<Service>(node, 'command'), shell);
  if (command === undefined) {
    if (!node.entries.has('command') && ![...node.entries.keys()].some(isMeantAsCommand)) {
      reader.report.error('missing-command', service.place, `the service \`${id}\` has no \`command\``, {
        note: 'expected a `command` below this',
      });
    }
    return undefined;
  }
  const description = reader.string(child<Service>(node, 'description'));
  const timeoutMs = reader.durationMs(child<Service>(node, 'timeout'));
  const stated = reader.string(child<Service>(node, 'backend')) === 'native';
  const spec: ServiceSpec = {
    id,
    ...(description === undefined ? {} : { description }),
    labels: labelsOf(child<Service>(node, 'labels'), reader),
    backendReason: stated ? 'the manifest says so' : 'nothing asks for another backend',
    launch: launchOf(service, facts, command, env, reader),
    dependsOn: dependenciesOf(facts),
    restart: facts.restart,
    backoff: backoffOf(child<Service>(node, 'backoff'), reader),
    stop: stopOf(child<Service>(node, 'stop'), shell, reader),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    replicas: facts.replicas,
    hooks: hooksOf(child<Service>(node, 'hooks'), shell, reader),
    errors: itemsOf(child<Service>(node, 'errors')).flatMap((item) => errorsOf(item, reader)),
    requires: reader.strings(child<Service>(node, 'requires')),
    profiles: facts.profiles,
    origin,
  };
  warnOfUnusedShell(service, spec, reader);
  return spec;
}

/** An unknown key that is reported already, and that would be the command if it were right. */
function isMeantAsCommand(key: string): boolean {
  const others = ['cmd', 'run', 'image', 'build', 'entrypoint'];
  return others.includes(key) || closest(key, ['command']) !== undefined;
}

function launchOf(
  { node, dir }: RawService,
  facts: Facts,
  command: Command,
  env: Readonly<Record<string, Text>>,
  reader: Reader,
): LaunchSpec {
  const socket = reader.pathText(child<Service>(node, 'socket'));
  const user = reader.string(child<Service>(node, 'user'));
  const umask = reader.string(child<Service>(node, 'umask'));
  return {
    backend: 'native',
    command,
    cwd: reader.path(child<Service>(node, 'cwd')) ?? dir,
    env,
    envAppend: envAppendOf(child<Service>(node, 'env_append'), reader),
    inheritEnv: inheritedOf(child<Service>(node, 'inherit_env'), reader),
    path: itemsOf(child<Service>(node, 'path')).flatMap((item) => reader.path(item) ?? []),
    ports: [...facts.ports].map(([name, { port }]): PortSpec => ({ name, port })),
    ...(socket === undefined ? {} : { socket }),
    ...(user === undefined ? {} : { user }),
    ...(umask === undefined ? {} : { umask: umask.padStart(4, '0') }),
    limits: limitsOf(child<Service>(node, 'limits'), reader),
  };
}

function shellOf(node: Node | undefined, reader: Reader): readonly string[] {
  if (node?.kind === 'list') {
    const shell = reader.strings(node);
    return shell.length > 0 ? shell : DEFAULT_SHELL;
  }
  const shell = reader.string(node);
  return shell === undefined || shell === '' ? DEFAULT_SHELL : [shell, '-c'];
}

/** Only where the service says so itself: among the defaults a shell may well be meant for others. */
function warnOfUnusedShell({ own, id }: RawService, spec: ServiceSpec, reader: Reader): void {
  const entry = own.entries.get('shell');
  if (entry === undefined || entry.value.tag === 'reset') return;
  const hooks = Object.values(spec.hooks as Record<string, Hook>).map((hook) => hook.command);
  const commands = [
    spec.launch.command,
    ...(spec.stop.command === undefined ? [] : [spec.stop.command]),
    ...hooks,
  ];
  if (commands.some((command) => command.kind === 'shell')) return;
  reader.report.warning('unused-shell', entry.keyPlace, `\`shell\` of service \`${id}\` has no effect`, {
    note: 'a `command` that is a list runs without a shell',
  });
}

function labelsOf(node: Node | undefined, reader: Reader): Record<string, string> {
  const labels = new Map<string, string>();
  for (const { key, value } of node?.kind === 'map' ? node.entries.values() : []) {
    labels.set(key, reader.string(value) ?? '');
  }
  for (const pair of node?.kind === 'list' ? reader.strings(node) : []) {
    const cut = pair.indexOf('=');
    labels.set(cut === -1 ? pair : pair.slice(0, cut), cut === -1 ? '' : pair.slice(cut + 1));
  }
  return Object.fromEntries(labels);
}

function dependenciesOf({ dependsOn }: Facts): Dependency[] {
  const byService = new Map(dependsOn.map(({ service, condition }) => [service, { service, condition }]));
  return [...byService.values()];
}

function envAppendOf(node: Node | undefined, reader: Reader): EnvAppend[] {
  if (node?.kind !== 'map') return [];
  return [...node.entries.values()].flatMap(({ key, value: entry }): EnvAppend[] => {
    const value = reader.text(child<Manifest.EnvAppendEntry>(entry, 'value'));
    if (value === undefined) return [];
    const separator = reader.string(child<Manifest.EnvAppendEntry>(entry, 'separator')) ?? ':';
    const prepend = reader.boolean(child<Manifest.EnvAppendEntry>(entry, 'prepend')) ?? false;
    return [{ name: key, value, separator, prepend }];
  });
}

function inheritedOf(node: Node | undefined, reader: Reader): boolean | readonly string[] {
  return node?.kind === 'list' ? reader.strings(node) : (reader.boolean(node) ?? true);
}

function limitsOf(node: Node | undefined, reader: Reader): Limits {
  const cpuTime = child<Manifest.Limits>(node, 'cpu_time');
  const cpuTimeMs = reader.durationMs(cpuTime);
  if (cpuTime !== undefined && cpuTimeMs !== undefined && (cpuTimeMs < 1000 || cpuTimeMs % 1000 !== 0)) {
    reader.report.error('bad-duration', cpuTime.place, '`limits.cpu_time` counts whole seconds', {
      note: 'expected at least 1s',
      same: '',
    });
  }
  const values: Readonly<Record<keyof Limits, number | undefined>> = {
    open_files: reader.number(child<Manifest.Limits>(node, 'open_files')),
    processes: reader.number(child<Manifest.Limits>(node, 'processes')),
    core_size: reader.bytes(child<Manifest.Limits>(node, 'core_size')),
    file_size: reader.bytes(child<Manifest.Limits>(node, 'file_size')),
    stack_size: reader.bytes(child<Manifest.Limits>(node, 'stack_size')),
    locked_memory: reader.bytes(child<Manifest.Limits>(node, 'locked_memory')),
    address_space: reader.bytes(child<Manifest.Limits>(node, 'address_space')),
    cpu_time: cpuTimeMs === undefined ? undefined : cpuTimeMs / 1000,
  };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function backoffOf(node: Node | undefined, reader: Reader): Backoff {
  return {
    initialMs: reader.durationMs(child<Manifest.Backoff>(node, 'initial')) ?? 500,
    maxMs: reader.durationMs(child<Manifest.Backoff>(node, 'max')) ?? 30_000,
    multiplier: reader.number(child<Manifest.Backoff>(node, 'multiplier')) ?? 2,
    jitter: reader.number(child<Manifest.Backoff>(node, 'jitter')) ?? 0.2,
    resetAfterMs: reader.durationMs(child<Manifest.Backoff>(node, 'reset_after')) ?? 30_000,
  };
}

function stopOf(node: Node | undefined, shell: readonly string[], reader: Reader): StopSpec {
  const command = reader.command(child<Manifest.Stop>(node, 'command'), shell);
  return {
    signal: reader.string(child<Manifest.Stop>(node, 'signal')) ?? 'SIGTERM',
    graceMs: reader.durationMs(child<Manifest.Stop>(node, 'grace')) ?? 10_000,
    ...(command === undefined ? {} : { command }),
    killTree: reader.boolean(child<Manifest.Stop>(node, 'kill_tree')) ?? true,
  };
}

function hooksOf(node: Node | undefined, shell: readonly string[], reader: Reader): Hooks {
  const hooks: Readonly<Record<keyof Hooks, Hook | undefined>> = {
    preStart: hookOf(child<Manifest.Hooks>(node, 'pre_start'), shell, reader),
    postStart: hookOf(child<Manifest.Hooks>(node, 'post_start'), shell, reader),
    preStop: hookOf(child<Manifest.Hooks>(node, 'pre_stop'), shell, reader),
    postStop: hookOf(child<Manifest.Hooks>(node, 'post_stop'), shell, reader),
  };
  return Object.fromEntries(Object.entries(hooks).filter(([, hook]) => hook !== undefined));
}

function hookOf(node: Node | undefined, shell: readonly string[], reader: Reader): Hook | undefined {
  const written = node?.kind === 'map' ? child<Manifest.HookEntry>(node, 'command') : node;
  const command = reader.command(written, shell);
  if (command === undefined) return undefined;
  const timeoutMs = reader.durationMs(child<Manifest.HookEntry>(node, 'timeout')) ?? DEFAULT_HOOK_TIMEOUT_MS;
  return { command, timeoutMs };
}

function errorsOf(item: Node, reader: Reader): readonly ErrorPattern[] {
  if (item.kind !== 'map') return errorPreset(reader.string(item) ?? '') ?? [];
  const match = reader.string(child<Manifest.ErrorPattern>(item, 'match'));
  const message = reader.string(child<Manifest.ErrorPattern>(item, 'message'));
  return match === undefined || message === undefined || !isSafePattern(match).ok ? [] : [{ match, message }];
}
