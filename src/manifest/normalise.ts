import { isSafePattern } from '../core/errors.ts';
import type {
  Backoff,
  ErrorPattern,
  Hook,
  Hooks,
  LogSpec,
  Probe,
  ServiceId,
  ServiceSpec,
  StopSpec,
} from '../core/service.ts';
import { dependenciesOf } from './dependencies.ts';
import { warnOfOverwritten } from './environment.ts';
import type { EnvValue } from './environment.ts';
import type { Facts } from './facts.ts';
import { launchOf, mergesStderr } from './launch.ts';
import type * as Manifest from './manifest-types.ts';
import type { Node } from './node.ts';
import { errorPreset } from './presets.ts';
import { probeOf } from './probes.ts';
import { child, itemsOf } from './reader.ts';
import type { Reader } from './reader.ts';
import { scheduleOf } from './schedule.ts';
import type { RawService } from './services.ts';
import { closest } from './suggest.ts';
import { watchOf } from './watch.ts';

const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-c'];
const DEFAULT_HOOK_TIMEOUT_MS = 30_000;
const DEFAULT_LOG_SIZE = 64 * 1024 ** 2;
const DEFAULT_LOG_ARCHIVES = 3;

type Service = Manifest.Service;

/** What is known of a service before it is normalised. */
interface Known {
  readonly facts: Facts;
  /** Of all services, itself included. */
  readonly services: ReadonlyMap<ServiceId, Facts>;
  readonly env: ReadonlyMap<string, EnvValue>;
  readonly origin: string;
}

/**
 * Fills in the defaults and turns everything into the units of the core. Undefined where the service cannot be
 * described, which the report then says.
 */
export function normaliseService(
  service: RawService,
  { facts, services, env, origin }: Known,
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
  const mergeStderr = mergesStderr(service, reader);
  const scope = { service, facts, shell, mergeStderr, reader };
  const ready = probeOf('ready', scope);
  const live = probeOf('live', scope);
  const notify = notifyOf(ready, live);
  const schedule = scheduleOf(service, facts.restart, reader);
  const watch = watchOf(service, reader);
  warnOfOverwritten(id, env, notify !== undefined, reader.report);
  const spec: ServiceSpec = {
    id,
    ...(description === undefined ? {} : { description }),
    labels: labelsOf(child<Service>(node, 'labels'), reader),
    backendReason: stated ? 'the manifest says so' : 'nothing asks for another backend',
    launch: launchOf(service, { facts, command, env, mergeStderr, notify }, reader),
    dependsOn: dependenciesOf(facts, services),
    ...(ready === undefined ? {} : { ready }),
    ...(live === undefined ? {} : { live }),
    restart: facts.restart,
    backoff: backoffOf(child<Service>(node, 'backoff'), reader),
    stop: stopOf(child<Service>(node, 'stop'), shell, reader),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    replicas: facts.replicas,
    ...(schedule === undefined ? {} : { schedule }),
    ...(watch === undefined ? {} : { watch }),
    log: logOf(child<Service>(node, 'log'), reader),
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

/** The service is given a socket for its messages where a probe listens to them. */
function notifyOf(ready: Probe | undefined, live: Probe | undefined): { watchdogMs?: number } | undefined {
  if (live?.check.kind === 'notify') return { watchdogMs: live.intervalMs };
  return ready?.check.kind === 'notify' ? {} : undefined;
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
  const probes = [spec.ready, spec.live].flatMap((probe) =>
    probe?.check.kind === 'exec' ? [probe.check.command] : [],
  );
  const commands = [
    spec.launch.command,
    ...(spec.stop.command === undefined ? [] : [spec.stop.command]),
    ...hooks,
    ...probes,
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

function backoffOf(node: Node | undefined, reader: Reader): Backoff {
  return {
    initialMs: reader.durationMs(child<Manifest.Backoff>(node, 'initial')) ?? 500,
    maxMs: reader.durationMs(child<Manifest.Backoff>(node, 'max')) ?? 30_000,
    multiplier: reader.number(child<Manifest.Backoff>(node, 'multiplier')) ?? 2,
    jitter: reader.number(child<Manifest.Backoff>(node, 'jitter')) ?? 0.2,
    resetAfterMs: reader.durationMs(child<Manifest.Backoff>(node, 'reset_after')) ?? 30_000,
  };
}

function logOf(node: Node | undefined, reader: Reader): LogSpec {
  return {
    maxSize: reader.bytes(child<Manifest.Log>(node, 'max_size')) ?? DEFAULT_LOG_SIZE,
    keep: reader.number(child<Manifest.Log>(node, 'keep')) ?? DEFAULT_LOG_ARCHIVES,
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
