import { inherited, inheritedInside, wholeEnv } from './launch-env.ts';
import { commandTexts, launchTexts, mapCommand, mapLaunch } from './launch-texts.ts';
import { err, ok, type Result, unreachable } from './util/result.ts';
import type {
  Command,
  ContainerSpec,
  LateRef,
  Launch,
  LaunchCommand,
  LaunchSpec,
  Mount,
  PortSpec,
  Resources,
  ServiceId,
  ServiceSpec,
  Text,
} from './service.ts';

/** A launch with every late reference filled in for one instance: what a backend is given. Env values may be secret. */
export interface ConcreteLaunch extends Omit<Launch<string>, 'command' | 'envAppend' | 'path'> {
  readonly project: string;
  readonly service: ServiceId;
  /** Program and arguments; a shell command is already `[...shell, script]`. Empty: what a container's image says. */
  readonly argv: readonly string[];
  /**
   * The whole environment of a process of the machine: what is inherited, what is declared, ports, appended values, PATH.
   * Of a container that of its hooks on the machine.
   */
  readonly env: Readonly<Record<string, string>>;
  /** What of that is declared, ports and `SETPOINT_*` included, without anything inherited: all a container gets. */
  readonly declaredEnv: Readonly<Record<string, string>>;
  /** What was inherited from: the environment of whoever asked for the project. */
  readonly hostEnv: Readonly<Record<string, string>>;
  /** Port numbers by name. */
  readonly ports: Readonly<Record<string, number>>;
  readonly mounts: readonly Mount[];
  readonly resources?: Resources;
  /** What an engine does by itself when it is asked to stop the unit, or stops itself. */
  readonly stop: { readonly signal: string; readonly graceMs: number };
}

/** What late references are filled in from. */
export interface TextContext {
  /** The service whose text it is. */
  readonly service: ServiceId;
  /** Number of the instance, from 1. */
  readonly number: number;
  /** The port's number for an instance; undefined where it has none (yet). Without it no port is known. */
  readonly ports?: (service: ServiceId, number: number, port: string) => number | undefined;
  /** Under which host another service is reached; without it `127.0.0.1`. */
  readonly host?: (service: ServiceId) => string;
}

/** `ports` and `host` as they are where the service runs. */
export interface LaunchContext extends Omit<TextContext, 'service'> {
  readonly project: string;
  /** The environment of whoever asked for the project. */
  readonly hostEnv: Readonly<Record<string, string>>;
  /** The same on the machine, where the service runs elsewhere. */
  readonly onMachine?: Pick<TextContext, 'ports' | 'host'>;
  /** Of a container: those that are declared, and what its references need besides. */
  readonly extraHosts?: readonly string[];
  /** The project's; what the service does not name is of no interest. */
  readonly resources?: Resources;
  /** A digest of what the launch is made from besides the manifest; see `Backend.inputs`. */
  readonly inputs?: string;
}

/** Settings of a container that make no other container: how its image is come by, and how many may run. */
export type ContainerPolicy = 'pull' | 'maxContainers';

/**
 * The part of a launch that makes its fingerprint: all the manifest declares, and of the caller's environment only what
 * it names. What is inherited wholesale is left out, or every new shell would replace every process.
 */
export interface DeclaredLaunch extends Omit<Launch<string>, 'container'> {
  /** True, false, or the values of the named variables that there are. */
  readonly inherit: boolean | Readonly<Record<string, string>>;
  readonly ports: Readonly<Record<string, number>>;
  readonly container?: Omit<ContainerSpec<string>, ContainerPolicy>;
  /** Those that the service names. */
  readonly resources?: Resources;
  readonly inputs?: string;
}

const MAX_PORT = 65_535;

/** Fills in the late references of a text. The error is a sentence without a final period. */
export function expandText(text: Text, context: TextContext): Result<string, string> {
  if (typeof text === 'string') return ok(text);
  let out = '';
  for (const part of text) {
    const filled = typeof part === 'string' ? ok(part) : fillIn(part, context);
    if (!filled.ok) return filled;
    out += filled.value;
  }
  return ok(out);
}

function fillIn(ref: LateRef, { service, number, ports, host }: TextContext): Result<string, string> {
  switch (ref.ref) {
    case 'instance-number':
      return ok(String(number));
    case 'host':
      return ok(host?.(ref.service) ?? '127.0.0.1');
    case 'port': {
      // An instance means its own port; from elsewhere the first instance's stands for the service.
      const found = ports?.(ref.service, ref.service === service ? number : 1, ref.port);
      return found === undefined
        ? err(`the number of port \`${ref.port}\` of \`${ref.service}\` is not known`)
        : ok(String(found));
    }
  }
}

/** The argument vector of a command: of a service, a hook or a stop command. */
export function concreteCommand(command: Command, context: TextContext): Result<readonly string[], string> {
  const tried = mapCommand(command, (text) => expandText(text, context));
  const failed = firstFailure(commandTexts(tried));
  return failed ?? ok(argvOf(mapCommand(tried, valueOf)));
}

/** The launch of one instance; its environment: see `wholeEnv`. The error is a sentence without a final period. */
export function concreteLaunch(spec: ServiceSpec, context: LaunchContext): Result<ConcreteLaunch, string> {
  const declared = declaredView(spec, context);
  if (!declared.ok) return declared;
  const env = machineEnv(spec, declared.value, context);
  if (!env.ok) return env;
  const {
    command,
    envAppend: _appended,
    path: _path,
    inherit: _inherit,
    inputs: _inputs,
    ...rest
  } = declared.value;
  const { container, ...launch } = rest;
  const { pull = 'missing', maxContainers } = spec.launch.container ?? {};
  const { signal, graceMs } = spec.stop;
  return ok({
    ...launch,
    project: context.project,
    service: spec.id,
    argv: argvOf(command),
    env: env.value,
    declaredEnv: wholeEnv(spec, { ...declared.value, inherit: inheritedInside(declared.value) }, context),
    hostEnv: context.hostEnv,
    mounts: launch.mounts ?? [],
    stop: { signal, graceMs },
    ...(container === undefined
      ? {}
      : { container: { ...container, pull, ...(maxContainers === undefined ? {} : { maxContainers }) } }),
  });
}

/** The environment on the machine: of a container that of its hooks there, which are none of its processes. */
function machineEnv(
  spec: ServiceSpec,
  declared: DeclaredLaunch,
  context: LaunchContext,
): Result<ConcreteLaunch['env'], string> {
  if (spec.launch.container === undefined) return ok(wholeEnv(spec, declared, context));
  const { container: _inside, ...launch } = spec.launch;
  const outside = { ...spec, launch: { ...launch, inheritEnv: true } };
  const { onMachine, ...rest } = context;
  // What is not published has no number there: that of the inside is better than no hook at all.
  const ports: LaunchContext['ports'] = (...port) => onMachine?.ports?.(...port) ?? rest.ports?.(...port);
  const there = { ...rest, ...onMachine, ports };
  const view = declaredView(outside, there);
  return view.ok ? ok(wholeEnv(outside, view.value, there)) : view;
}

/** What is declared of an instance's launch, with late references filled in; see `DeclaredLaunch`. */
export function declaredView(spec: ServiceSpec, context: LaunchContext): Result<DeclaredLaunch, string> {
  const { inheritEnv: _inherit, ports: portSpecs, ...launch } = spec.launch;
  const at: TextContext = { ...context, service: spec.id };
  const ports = ownPorts(portSpecs, { ...at, ...context.onMachine });
  if (!ports.ok) return ports;
  const tried = mapLaunch(launch, (text) => expandText(text, at));
  const failed = firstFailure(launchTexts(tried));
  if (failed !== undefined) return failed;
  const { container, ...rest } = mapLaunch(tried, valueOf);
  const resources = usedResources(spec.launch, context.resources);
  const { inputs } = context;
  return ok({
    ...rest,
    inherit: inherited(spec.launch, context.hostEnv),
    ports: Object.fromEntries(ports.value),
    ...(container === undefined ? {} : { container: declaredContainer(container, context) }),
    ...(resources === undefined ? {} : { resources }),
    ...(inputs === undefined ? {} : { inputs }),
  });
}

function declaredContainer(
  { pull: _pull, maxContainers: _max, ...settings }: ContainerSpec<string>,
  { extraHosts }: LaunchContext,
): NonNullable<DeclaredLaunch['container']> {
  return { ...settings, extraHosts: extraHosts ?? settings.extraHosts };
}

/**
 * What the fingerprint of a launch is of. Settings of containers and of single backends stand below the backend's name,
 * as they did in the first release, whose runs are to be known again.
 */
export function canonicalView({ container, settings, ...launch }: DeclaredLaunch): object {
  return { ...launch, [launch.backend]: container ?? settings?.values };
}

/** The definitions of the networks and volumes that a service names; undefined where all it names has every default. */
function usedResources(launch: LaunchSpec, resources: Resources | undefined): Resources | undefined {
  if (resources === undefined) return undefined;
  const { networks = [], networkMode } = launch.container ?? {};
  const onOwn = launch.container !== undefined && networks.length === 0 && networkMode === undefined;
  const volumes = (launch.mounts ?? []).flatMap((mount) => (mount.type === 'volume' ? [mount.source] : []));
  const used: Resources = {
    networks: only(resources.networks, onOwn ? ['default'] : networks),
    volumes: only(resources.volumes, volumes),
  };
  const isEmpty = Object.keys(used.networks).length + Object.keys(used.volumes).length === 0;
  return isEmpty ? undefined : used;
}

function only<T>(of: Readonly<Record<string, T>>, names: readonly string[]): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(of).filter(([name]) => names.includes(name)));
}

function argvOf(command: LaunchCommand<string>): readonly string[] {
  switch (command.kind) {
    case 'exec':
      return command.argv;
    case 'shell':
      return [...command.shell, command.script];
    case 'image':
      return [];
    default:
      return unreachable(command);
  }
}

function ownPorts(specs: readonly PortSpec[], at: TextContext): Result<readonly [string, number][], string> {
  return all(
    specs.map(({ name, port }): Result<[string, number], string> => {
      const number = port === 'auto' ? at.ports?.(at.service, at.number, name) : port + at.number - 1;
      if (number === undefined) return err(`port \`${name}\` has not been given a number yet`);
      if (number > MAX_PORT) {
        return err(
          `port \`${name}\` of instance ${at.number} would be ${number}; the highest is ${MAX_PORT}`,
        );
      }
      return ok([name, number]);
    }),
  );
}

/** The values of all, or the first error. */
function all<T>(results: readonly Result<T, string>[]): Result<readonly T[], string> {
  const values: T[] = [];
  for (const result of results) {
    if (!result.ok) return result;
    values.push(result.value);
  }
  return ok(values);
}

function firstFailure(
  texts: readonly Result<string, string>[],
): { readonly ok: false; readonly error: string } | undefined {
  for (const text of texts) if (!text.ok) return text;
  return undefined;
}

/** Of a text that has not failed. */
function valueOf(text: Result<string, string>): string {
  return text.ok ? text.value : '';
}
