import { DEFAULT_SHELL } from '../../core/service.ts';
import type {
  Hook,
  Hooks,
  LaunchCommand,
  Probe,
  SecretFile,
  ServiceId,
  ServiceSpec,
  StopSpec,
  Text,
} from '../../core/service.ts';
import { checkChoice } from '../backends/choice.ts';
import { dialectOf, dialects } from '../backends/dialects.ts';
import { dependenciesOf } from './dependencies.ts';
import { warnOfOverwritten } from './environment.ts';
import type { EnvValue } from './environment.ts';
import type { Facts } from './facts.ts';
import { launchOf, mergesStderr } from './launch.ts';
import type * as Manifest from '../generated/manifest-types.ts';
import { mountsOf } from './mounts.ts';
import type { Node } from '../read/node.ts';
import type { OtherFiles } from '../read/other-files.ts';
import { probeOf } from './probes.ts';
import { child } from './reader.ts';
import type { Reader } from './reader.ts';
import type { ProjectResources } from './resources.ts';
import { scheduleOf } from './schedule.ts';
import { statedAt } from './services.ts';
import type { RawService } from './services.ts';
import { hookKeys, hooksKeys, stopKeys } from './table/blocks.ts';
import { longChild, readMembers } from './table/row.ts';
import { serviceKeys } from './table/service.ts';
import type { ManifestIo } from '../read/source.ts';
import { closest } from '../../core/util/closest.ts';
import { checkHonoured } from '../backends/unsupported.ts';
import { watchOf } from './watch.ts';

type Service = Manifest.Service;

/** What is known of a service before it is normalised. */
interface Known {
  readonly facts: Facts;
  /** Of all services, itself included. */
  readonly services: ReadonlyMap<ServiceId, Facts>;
  /** Secrets that are given as variables are among them. */
  readonly env: ReadonlyMap<string, EnvValue>;
  readonly secrets: readonly SecretFile[];
  readonly resources: ProjectResources;
  readonly io: ManifestIo;
  readonly files: OtherFiles;
  /** Told the values of variables that are no environment, to be masked where their names say so. */
  readonly onValue: (name: string, value: string) => void;
  readonly origin: string;
}

/** The same service's values, as they are seen where it runs, and on the machine. */
interface Readers {
  readonly reader: Reader;
  readonly onMachine: Reader;
}

/**
 * Fills in the defaults and turns everything into the units of the core. Undefined where the service cannot be
 * described, which the report then says.
 */
export function normaliseService(
  service: RawService,
  known: Known,
  { reader, onMachine }: Readers,
): ServiceSpec | undefined {
  const { facts, services, env, secrets, origin } = known;
  const { id, node } = service;
  const shell = shellOf(child<Service>(node, 'shell'), reader);
  checkChoice(service, facts.choice, reader);
  checkHonoured({ service, facts, env, reader });
  const command = commandOf(service, facts, shell, reader);
  if (command === undefined) return undefined;
  const mergeStderr = mergesStderr(service, reader);
  const scope = { service, facts, shell, mergeStderr, reader, onMachine };
  const ready = probeOf('ready', scope);
  const live = probeOf('live', scope);
  const notify = notifyOf(ready, live);
  const schedule = scheduleOf(service, facts.restart, reader);
  const watch = watchOf(service, reader);
  warnOfOverwritten(id, env, { notify: notify !== undefined, secrets: secrets.length > 0 }, reader.report);
  const mounts = mountsOf({ service, facts, resources: known.resources, io: known.io, reader });
  const parts = dialectOf(facts.choice.backend).settings({ ...known, service, shell, reader });
  const spec: ServiceSpec = {
    ...readMembers(serviceKeys, node, reader),
    id,
    backendReason: facts.choice.reason,
    launch: launchOf(service, { facts, command, env, mergeStderr, notify, mounts, secrets, parts }, reader),
    dependsOn: dependenciesOf(facts, services),
    ...(ready === undefined ? {} : { ready }),
    ...(live === undefined ? {} : { live }),
    restart: facts.restart,
    stop: stopOf(child<Service>(node, 'stop'), shell, reader),
    replicas: facts.replicas,
    ...(schedule === undefined ? {} : { schedule }),
    ...(watch === undefined ? {} : { watch }),
    hooks: hooksOf(child<Service>(node, 'hooks'), shell, { reader, onMachine }),
    profiles: facts.profiles,
    origin,
  };
  warnOfUnusedShell(service, spec, reader);
  return spec;
}

/** Undefined where there is none or it is wrong, which is reported. */
function commandOf(
  service: RawService,
  { choice, container }: Facts,
  shell: readonly string[],
  reader: Reader,
): LaunchCommand | undefined {
  const { id, node, place } = service;
  const command = reader.command(child<Service>(node, 'command'), shell);
  if (command !== undefined || node.entries.has('command')) return command;
  if (container !== undefined) return { kind: 'image' };
  if (choice.by !== 'order' && asksForContainer(service)) return undefined;
  if ([...node.entries.keys()].some(isMeantAsCommand)) return undefined;
  const note =
    choice.backend === dialects[0].name && choice.by !== 'statement'
      ? 'expected a `command` below this, or an `image` or a `build`'
      : 'expected a `command` below this';
  reader.report.error('missing-command', place, `the service \`${id}\` has no \`command\``, { note });
  return undefined;
}

/** What is wrong with a service that itself asks for a container is that it does not run as one. */
function asksForContainer(service: RawService): boolean {
  return dialects.some(
    (dialect) =>
      dialect.container !== undefined &&
      dialect.claim(service.node) !== undefined &&
      dialect.ownKeys.some((key) => statedAt(service, key) !== undefined),
  );
}

/** An unknown key that is reported already, and that would be the command if it were right. */
function isMeantAsCommand(key: string): boolean {
  const others = ['cmd', 'run'];
  const known = ['command', 'image', 'build'];
  return others.includes(key) || (!known.includes(key) && closest(key, known) !== undefined);
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
  const shell = shellOf(entry.value, reader);
  const hooks = Object.values(spec.hooks as Record<string, Hook>).map((hook) => hook.command);
  const probes = [spec.ready, spec.live].flatMap((probe) =>
    probe?.check.kind === 'exec' ? [probe.check.command] : [],
  );
  // As a list it would not begin with the shell.
  if (shellRuns(spec.launch.container?.entrypoint, shell)) return;
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

function shellRuns(argv: readonly Text[] | undefined, shell: readonly string[]): boolean {
  return argv !== undefined && shell.every((word, at) => argv[at] === word);
}

function stopOf(node: Node | undefined, shell: readonly string[], reader: Reader): StopSpec {
  const command = reader.command(child<Manifest.Stop>(node, 'command'), shell);
  return {
    ...readMembers(stopKeys, node, reader),
    ...(command === undefined ? {} : { command }),
  };
}

/** Before a container is there, and after, hooks run on the machine. */
function hooksOf(node: Node | undefined, shell: readonly string[], { reader, onMachine }: Readers): Hooks {
  const hooks: Readonly<Record<keyof Hooks, Hook | undefined>> = {
    preStart: hookOf(longChild(hooksKeys, node, 'pre_start'), shell, onMachine),
    postStart: hookOf(longChild(hooksKeys, node, 'post_start'), shell, reader),
    preStop: hookOf(longChild(hooksKeys, node, 'pre_stop'), shell, reader),
    postStop: hookOf(longChild(hooksKeys, node, 'post_stop'), shell, onMachine),
  };
  return Object.fromEntries(Object.entries(hooks).filter(([, hook]) => hook !== undefined));
}

function hookOf(node: Node | undefined, shell: readonly string[], reader: Reader): Hook | undefined {
  const command = reader.command(child<Manifest.HookEntry>(node, 'command'), shell);
  return command === undefined ? undefined : { command, ...readMembers(hookKeys, node, reader) };
}
