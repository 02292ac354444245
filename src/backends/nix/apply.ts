import { DEFAULT_PATH } from '../../host/programs.ts';

/** How a service gets the environment of its flake's shell. */
export type NixEnvironment =
  | {
      /** The process is given the variables; nix takes no part in its start. */
      readonly how: 'direct';
      readonly reason: string;
      /** Changes with everything that the environment was made of. */
      readonly key: string;
      readonly variables: Readonly<Record<string, string>>;
      /** Whether it was there already. */
      readonly cached: boolean;
      /** Whether it is there for the next one; else it is found out anew each time. */
      readonly kept: boolean;
      /** Link to what is in use of the nix store; a root for its garbage collector. */
      readonly profile: string;
      /** What the shell has that the process does not get; sentences. */
      readonly notes: readonly string[];
    }
  | {
      /** Each start goes through `nix develop --command`. */
      readonly how: 'develop';
      readonly reason: string;
      readonly key: string;
      /** `nix develop ... --command`, its program's path absolute. */
      readonly command: readonly string[];
      readonly notes: readonly string[];
    };

interface NixLaunch {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly declaredEnv: Readonly<Record<string, string>>;
  /** What was inherited from. */
  readonly hostEnv: Readonly<Record<string, string>>;
}

/** Lists that the shell's folders are put before, as `nix develop` does; any other variable is replaced. */
const LISTS = ['PATH', 'XDG_DATA_DIRS'];

/** Variables of its build that `nix develop` sets over those of its caller. */
const SET_BY_DEVELOP = ['TMPDIR', 'TMP', 'TEMP', 'TEMPDIR', 'NIX_BUILD_TOP', 'SHELL'];

/**
 * The launch with the environment of the flake's shell: the host's variables give way to the shell's, and those to what
 * is declared for the service. PATH: what `path` and `env_append` put before it, the shell's folders, the host's; so
 * programs are the shell's where it has them. `requires`: programs that a shell which is entered only at the start has to
 * have.
 */
export function applyNix<L extends NixLaunch>(
  launch: L,
  environment: NixEnvironment,
  requires: readonly string[] = [],
): L {
  const { hostEnv } = launch;
  if (environment.how === 'develop') return throughDevelop(launch, environment.command, requires);
  const env = new Map(Object.entries(launch.env));
  for (const [name, value] of Object.entries(environment.variables)) {
    if (LISTS.includes(name)) env.set(name, withShell(name, value, launch, hostEnv));
    else if (!isDeclared(name, launch, hostEnv)) env.set(name, value);
  }
  return { ...launch, env: Object.fromEntries(env) };
}

/** What differs from the host's was made for this service: ports, for one. */
function isDeclared(
  name: string,
  { env, declaredEnv }: NixLaunch,
  hostEnv: Readonly<Record<string, string>>,
): boolean {
  if (Object.hasOwn(declaredEnv, name)) return true;
  return Object.hasOwn(env, name) && env[name] !== hostEnv[name];
}

/** A declared list that does not build upon the host's is the service's own affair. */
function withShell(
  name: string,
  shells: string,
  { env }: NixLaunch,
  hostEnv: Readonly<Record<string, string>>,
): string {
  const present = env[name];
  if (present === undefined || present === '') return shells;
  const parts = splitAround(present, [hostEnv[name], name === 'PATH' ? DEFAULT_PATH : undefined]);
  return parts === undefined ? present : joined([parts.before, shells, parts.base, parts.after]);
}

interface Around {
  readonly before: string;
  readonly base: string;
  readonly after: string;
}

/** Splits a list at the first of the bases that it holds as a whole. */
function splitAround(list: string, bases: readonly (string | undefined)[]): Around | undefined {
  const framed = `:${list}:`;
  for (const base of bases) {
    const at = base === undefined || base === '' ? -1 : framed.indexOf(`:${base}:`);
    if (base === undefined || at < 0) continue;
    return { before: framed.slice(1, at), base, after: framed.slice(at + base.length + 2, -1) };
  }
  return undefined;
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(':');
}

/**
 * `nix develop` puts its variables over those it was started with, so the declared ones come a second time, under names
 * of their own, and take their places within. Values stay out of the command line.
 */
function throughDevelop<L extends NixLaunch>(
  launch: L,
  command: readonly string[],
  requires: readonly string[],
): L {
  const { hostEnv } = launch;
  const parts = splitAround(launch.env['PATH'] ?? '', [hostEnv['PATH'], DEFAULT_PATH]);
  const declared = Object.keys(launch.env).filter(
    (name) => !(name === 'PATH' && parts !== undefined) && isDeclared(name, launch, hostEnv),
  );
  const kept = [...new Set([...declared, ...SET_BY_DEVELOP])].filter((name) => NAME.test(name));
  const aliases = kept.flatMap((name, i): [string, string][] => {
    const value = launch.env[name];
    return value === undefined ? [] : [[`SETPOINT_KEPT_${i}`, value]];
  });
  const before = parts?.before ?? '';
  const script = [
    ...kept.map((name, i) =>
      launch.env[name] === undefined
        ? `unset ${name}`
        : `export ${name}="$SETPOINT_KEPT_${i}"; unset SETPOINT_KEPT_${i}`,
    ),
    ...(before === '' ? [] : ['export PATH="$SETPOINT_KEPT_PATH:$PATH"; unset SETPOINT_KEPT_PATH']),
    'while [ "$1" != -- ]; do',
    `  command -v "$1" >/dev/null || { echo "setpoint: required program is not on the PATH of the nix shell: $1" >&2; exit 127; }`,
    '  shift',
    'done',
    'shift',
    'exec "$@"',
  ].join('\n');
  return {
    ...launch,
    argv: [...command, '/bin/sh', '-c', script, 'setpoint', ...requires, '--', ...launch.argv],
    env: {
      ...launch.env,
      ...Object.fromEntries(aliases),
      ...(before === '' ? {} : { SETPOINT_KEPT_PATH: before }),
    },
  };
}

/** What a shell can export. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
