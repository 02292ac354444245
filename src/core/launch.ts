import { inherited, inheritedInside, wholeEnv } from './launch-env.ts';
import { err, ok, type Result } from './util/result.ts';
import type {
  BackendName,
  Command,
  DockerSettings,
  DockerSpec,
  LateRef,
  LaunchCommand,
  LaunchSpec,
  Limits,
  Mount,
  NixSpec,
  PortSpec,
  Resources,
  SandboxSpec,
  SecretFile,
  ServiceId,
  ServiceSpec,
  Text,
} from './service.ts';

/** A launch with every late reference filled in for one instance: what a backend is given. Env values may be secret. */
export interface ConcreteLaunch {
  readonly backend: BackendName;
  readonly project: string;
  readonly service: ServiceId;
  /** Program and arguments; a shell command is already `[...shell, script]`. Empty: what a container's image says. */
  readonly argv: readonly string[];
  readonly cwd: string;
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
  readonly socket?: string;
  readonly user?: string;
  readonly umask?: string;
  readonly limits: Limits;
  readonly tty?: true;
  readonly mergeStderr?: true;
  readonly stdin?: 'pipe';
  readonly notify?: { readonly watchdogMs?: number };
  readonly mounts: readonly Mount[];
  readonly sandbox?: SandboxSpec;
  readonly docker?: ConcreteDocker;
  readonly nix?: NixSpec;
  /** Values are secret. */
  readonly secrets?: readonly SecretFile[];
  readonly nice?: number;
  readonly resources?: Resources;
  /** What an engine does by itself when it is asked to stop the unit, or stops itself. */
  readonly stop: { readonly signal: string; readonly graceMs: number };
}

export interface ConcreteDocker extends DockerSettings {
  /** Absent: the image's. */
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
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
export interface DeclaredLaunch {
  readonly backend: string;
  readonly command:
    | { readonly kind: 'shell'; readonly shell: readonly string[]; readonly script: string }
    | { readonly kind: 'exec'; readonly argv: readonly string[] }
    | { readonly kind: 'image' };
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly envAppend: readonly {
    readonly name: string;
    readonly value: string;
    readonly separator: string;
    readonly prepend: boolean;
  }[];
  /** True, false, or the values of the named variables that there are. */
  readonly inherit: boolean | Readonly<Record<string, string>>;
  readonly path: readonly string[];
  readonly ports: Readonly<Record<string, number>>;
  readonly socket?: string;
  readonly user?: string;
  readonly umask?: string;
  readonly limits: Limits;
  readonly tty?: true;
  readonly mergeStderr?: true;
  readonly stdin?: 'pipe';
  readonly notify?: { readonly watchdogMs?: number };
  /** Only present where there are any. */
  readonly mounts?: readonly Mount[];
  readonly sandbox?: SandboxSpec;
  readonly docker?: Omit<ConcreteDocker, 'command' | ContainerPolicy>;
  readonly nix?: NixSpec;
  readonly secrets?: readonly SecretFile[];
  readonly nice?: number;
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
  if (command.kind === 'exec') return all(command.argv.map((text) => expandText(text, context)));
  const script = expandText(command.script, context);
  return script.ok ? ok([...command.shell, script.value]) : script;
}

/** The launch of one instance; its environment: see `wholeEnv`. The error is a sentence without a final period. */
export function concreteLaunch(spec: ServiceSpec, context: LaunchContext): Result<ConcreteLaunch, string> {
  const declared = declaredView(spec, context);
  if (!declared.ok) return declared;
  const env = machineEnv(spec, declared.value, context);
  if (!env.ok) return env;
  const { command, cwd, ports, limits, docker, ...rest } = declared.value;
  const { launch, stop } = spec;
  return ok({
    backend: launch.backend,
    project: context.project,
    service: spec.id,
    argv: argvOf(command),
    cwd,
    env: env.value,
    declaredEnv: wholeEnv(spec, { ...declared.value, inherit: inheritedInside(declared.value) }, context),
    hostEnv: context.hostEnv,
    ports,
    limits,
    mounts: launch.mounts ?? [],
    stop: { signal: stop.signal, graceMs: stop.graceMs },
    ...present<Optionals<ConcreteLaunch>>({
      socket: rest.socket,
      user: rest.user,
      umask: rest.umask,
      tty: rest.tty,
      mergeStderr: rest.mergeStderr,
      stdin: rest.stdin,
      notify: rest.notify,
      sandbox: rest.sandbox,
      docker: docker === undefined ? undefined : concreteDocker(spec, command, docker),
      nix: rest.nix,
      secrets: rest.secrets,
      nice: rest.nice,
      resources: rest.resources,
    }),
  });
}

function concreteDocker(
  { launch }: ServiceSpec,
  command: DeclaredLaunch['command'],
  docker: NonNullable<DeclaredLaunch['docker']>,
): ConcreteDocker {
  const { pull = 'missing', maxContainers } = launch.docker ?? {};
  return {
    ...docker,
    pull,
    ...present({ maxContainers, command: command.kind === 'image' ? undefined : argvOf(command) }),
  };
}

/** The environment on the machine: of a container that of its hooks there, which are none of its processes. */
function machineEnv(
  spec: ServiceSpec,
  declared: DeclaredLaunch,
  context: LaunchContext,
): Result<ConcreteLaunch['env'], string> {
  if (spec.launch.docker === undefined) return ok(wholeEnv(spec, declared, context));
  const { docker: _inside, ...launch } = spec.launch;
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
  const { launch } = spec;
  const at: TextContext = { ...context, service: spec.id };
  const ports = ownPorts(launch.ports, { ...at, ...context.onMachine });
  if (!ports.ok) return ports;
  const command = declaredCommand(launch.command, at);
  if (!command.ok) return command;
  const names = Object.keys(launch.env);
  const env = all(Object.values(launch.env).map((text) => expandText(text, at)));
  if (!env.ok) return env;
  const appended = all(launch.envAppend.map(({ value }) => expandText(value, at)));
  if (!appended.ok) return appended;
  const socket = launch.socket === undefined ? ok(undefined) : expandText(launch.socket, at);
  if (!socket.ok) return socket;
  const docker = launch.docker === undefined ? ok(undefined) : declaredDocker(launch.docker, context, at);
  if (!docker.ok) return docker;
  return ok({
    backend: launch.backend,
    command: command.value,
    cwd: launch.cwd,
    env: record(names.map((name, i) => [name, env.value[i] ?? ''])),
    envAppend: launch.envAppend.map((entry, i) => ({ ...entry, value: appended.value[i] ?? '' })),
    inherit: inherited(launch, context.hostEnv),
    path: launch.path,
    ports: record(ports.value),
    limits: launch.limits,
    ...present<Optionals<DeclaredLaunch>>({
      socket: socket.value,
      user: launch.user,
      umask: launch.umask,
      tty: launch.tty,
      mergeStderr: launch.mergeStderr,
      stdin: launch.stdin,
      notify: launch.notify,
      mounts: (launch.mounts ?? []).length === 0 ? undefined : launch.mounts,
      sandbox: launch.sandbox,
      docker: docker.value,
      nix: launch.nix,
      secrets: (launch.secrets ?? []).length === 0 ? undefined : launch.secrets,
      nice: launch.nice,
      resources: usedResources(launch, context.resources),
      inputs: context.inputs,
    }),
  });
}

function declaredDocker(
  docker: DockerSpec,
  context: LaunchContext,
  at: TextContext,
): Result<DeclaredLaunch['docker'], string> {
  const { entrypoint, pull: _pull, maxContainers: _max, ...settings } = docker;
  const words =
    entrypoint === undefined ? ok(undefined) : all(entrypoint.map((text) => expandText(text, at)));
  if (!words.ok) return words;
  return ok({
    ...settings,
    extraHosts: context.extraHosts ?? docker.extraHosts,
    ...present({ entrypoint: words.value }),
  });
}

/** The definitions of the networks and volumes that a service names; undefined where all it names has every default. */
function usedResources(launch: LaunchSpec, resources: Resources | undefined): Resources | undefined {
  if (resources === undefined) return undefined;
  const { networks = [], networkMode } = launch.docker ?? {};
  const onOwn = launch.docker !== undefined && networks.length === 0 && networkMode === undefined;
  const volumes = (launch.mounts ?? []).flatMap((mount) => (mount.type === 'volume' ? [mount.source] : []));
  const used: Resources = {
    networks: only(resources.networks, onOwn ? ['default'] : networks),
    volumes: only(resources.volumes, volumes),
  };
  const isEmpty = Object.keys(used.networks).length + Object.keys(used.volumes).length === 0;
  return isEmpty ? undefined : used;
}

function only<T>(of: Readonly<Record<string, T>>, names: readonly string[]): Readonly<Record<string, T>> {
  return record(Object.entries(of).filter(([name]) => names.includes(name)));
}

function argvOf(command: DeclaredLaunch['command']): readonly string[] {
  switch (command.kind) {
    case 'exec':
      return command.argv;
    case 'shell':
      return [...command.shell, command.script];
    case 'image':
      return [];
  }
}

function declaredCommand(command: LaunchCommand, at: TextContext): Result<DeclaredLaunch['command'], string> {
  if (command.kind === 'image') return ok(command);
  const argv = concreteCommand(command, at);
  if (!argv.ok) return argv;
  if (command.kind === 'exec') return ok({ kind: 'exec', argv: argv.value });
  return ok({ kind: 'shell', shell: command.shell, script: argv.value.at(-1) ?? '' });
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

/** `Object.fromEntries` also makes a property of `__proto__`, which an assignment would not. */
function record<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  return Object.fromEntries(entries);
}

/** The members that a value need not have, each to be named where such a value is made: one that is forgotten does not compile. */
type Optionals<T> = {
  readonly [K in keyof T as undefined extends T[K] ? K : never]-?: T[K] | undefined;
};

function present<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
