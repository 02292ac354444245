import type { DeclaredLaunch, LaunchContext } from './launch.ts';
import type { LaunchSpec, ServiceSpec } from './service.ts';

/** Taken as PATH where the service has none and something is to be put beside it. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Said of a run by its own manager; an outer manager's would be false in here. */
const OWN_VARIABLES = [
  'SETPOINT_PROJECT',
  'SETPOINT_SERVICE',
  'SETPOINT_INSTANCE',
  'SETPOINT_RUN',
  'SETPOINT_HOOK',
  // The service manager's own, where it runs as a unit of another one.
  'NOTIFY_SOCKET',
  'WATCHDOG_USEC',
  'WATCHDOG_PID',
];

/** What a launch inherits of the caller's environment; the manager's own variables are never among what is named. */
export function inherited(launch: LaunchSpec, hostEnv: LaunchContext['hostEnv']): DeclaredLaunch['inherit'] {
  const { inheritEnv } = launch;
  if (typeof inheritEnv === 'boolean') return inheritEnv;
  const names = new Set(inheritEnv.filter((name) => Object.hasOwn(hostEnv, name)));
  for (const name of OWN_VARIABLES) names.delete(name);
  return Object.fromEntries([...names].map((name) => [name, hostEnv[name] ?? '']));
}

/** Of the caller's environment a container has what is named, and nothing wholesale. */
export function inheritedInside({ inherit, container }: DeclaredLaunch): DeclaredLaunch['inherit'] {
  return container !== undefined && typeof inherit !== 'boolean' ? inherit : false;
}

/**
 * The whole environment of one instance, later sources winning: what is inherited; the instance's own ports (`PORT` for
 * the first, `<NAME>_PORT` for each with a name that is not just digits); what is declared. Then `env_append` is applied,
 * `path` is put before PATH, and the `SETPOINT_*` variables say which instance it is.
 */
export function wholeEnv(
  spec: ServiceSpec,
  declared: DeclaredLaunch,
  { project, number, hostEnv }: LaunchContext,
): Readonly<Record<string, string>> {
  const { inherit } = declared;
  const env = new Map<string, string>(
    Object.entries(inherit === true ? hostEnv : inherit === false ? {} : inherit),
  );
  for (const name of OWN_VARIABLES) env.delete(name);
  for (const [name, value] of portExports(exportedPorts(spec, declared))) env.set(name, value);
  for (const [name, value] of Object.entries(declared.env)) env.set(name, value);
  for (const { name, value, separator, prepend } of declared.envAppend) {
    env.set(name, beside(valueOf(env, name), value, separator, prepend));
  }
  if (declared.path.length > 0) {
    env.set('PATH', beside(valueOf(env, 'PATH'), declared.path.join(':'), ':', true));
  }
  env.set('SETPOINT_PROJECT', project);
  env.set('SETPOINT_SERVICE', spec.id);
  env.set('SETPOINT_INSTANCE', String(number));
  return Object.fromEntries(env);
}

/** In a container the numbers that its own processes listen on, published or not. */
function exportedPorts(
  { launch }: ServiceSpec,
  { ports }: DeclaredLaunch,
): readonly (readonly [string, number | undefined])[] {
  if (launch.container === undefined) return launch.ports.map(({ name }) => [name, ports[name]]);
  return launch.container.ports.map(({ name, container }) => [name, container]);
}

function portExports(ports: readonly (readonly [string, number | undefined])[]): readonly [string, string][] {
  const exports: [string, string][] = [];
  for (const [i, [name, port]] of ports.entries()) {
    const number = String(port);
    if (i === 0) exports.push(['PORT', number]);
    if (!/^\d+$/.test(name)) exports.push([`${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}_PORT`, number]);
  }
  return exports;
}

function valueOf(env: ReadonlyMap<string, string>, name: string): string {
  return env.get(name) ?? (name === 'PATH' ? DEFAULT_PATH : '');
}

function beside(present: string, added: string, separator: string, prepend: boolean): string {
  if (present === '') return added;
  return prepend ? added + separator + present : present + separator + added;
}
