import { resolve } from 'node:path';
import type { DaemonClient } from '../client/types.ts';
import type { ApplyRequest } from '../core/api.ts';
import type { Result } from '../core/util/result.ts';
import { err } from '../core/util/result.ts';
import type { LoadRequest } from '../core/service.ts';
import { fail, type CliContext } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import type { ColourChoice } from '../words/colour.ts';
import type { ProjectLocation } from '../store/locate.ts';
import type { CliServices } from './services.ts';

export type Format = 'text' | 'json';

/** Options that every command takes. */
export interface Globals {
  readonly files: readonly string[];
  readonly color: ColourChoice;
  readonly projectName?: string;
}

/** What a command is given besides its own arguments and options. */
export interface Common {
  readonly context: CliContext;
  readonly services: CliServices;
  readonly globals: Globals;
}

/** Options of the commands that load the manifest. */
export interface LoadOptions {
  readonly profile: readonly string[];
  readonly set: Readonly<Record<string, string>>;
  readonly envFile: readonly string[];
}

/** Finds the project, or says why not and answers the status to end with. */
export async function locate(
  common: Common,
  manifestFirst: boolean,
): Promise<Result<ProjectLocation, ExitStatus>> {
  const { context, services, globals } = common;
  const found = await services.locate({
    cwd: context.cwd,
    files: globals.files,
    ...(globals.projectName === undefined ? {} : { projectName: globals.projectName }),
    manifestFirst,
  });
  if (found.ok) return found;
  const { code, message, help } = found.error;
  const status = code === 'no-manifest' || code === 'unknown-project' ? EXIT.notRunning : EXIT.usage;
  return err(fail(context, { message, next: help }, status));
}

/**
 * The daemon of a project that runs or is meant to run: where the daemon is gone and the project was up, it is brought
 * back and takes over what still runs, which is told unless `how` is `silent`. Undefined where the project is down.
 */
export async function reach(
  common: Common,
  location: ProjectLocation,
  how: 'telling' | 'silent' = 'telling',
): Promise<DaemonClient | undefined> {
  const client = await common.services.connect(location);
  if (client !== undefined) return client;
  if ((await common.services.recordedPhase(location)) !== 'up') return undefined;
  const { client: back, started } = await common.services.ensureDaemon(location);
  if (started && how === 'telling') {
    common.context.stderr.write(
      `The daemon of ${location.name} was gone; it is back and took over what still runs.\n`,
    );
  }
  return back;
}

/** Runs `use` with the project's daemon; where the project is not running, says so and ends with that status. */
export async function withDaemon(
  common: Common,
  use: (client: DaemonClient, location: ProjectLocation) => Promise<ExitStatus>,
): Promise<ExitStatus> {
  const located = await locate(common, false);
  if (!located.ok) return located.error;
  const client = await reach(common, located.value);
  if (client === undefined) return notRunning(common.context, located.value);
  return closing(client, () => use(client, located.value));
}

export async function closing<T>(client: DaemonClient, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } finally {
    client.close();
  }
}

export function notRunning(context: CliContext, location: ProjectLocation): ExitStatus {
  return fail(
    context,
    { message: `${location.name} is not running`, where: location.manifest, next: '`setpoint up` starts it' },
    EXIT.notRunning,
  );
}

export function loadRequest(
  common: Common,
  location: ProjectLocation,
  options: LoadOptions,
  named: readonly string[],
): LoadRequest {
  const { context, globals } = common;
  const fromEnv = (context.env['SETPOINT_PROFILES'] ?? '').split(',').map((name) => name.trim());
  return {
    files: location.files,
    ...(globals.projectName === undefined ? {} : { projectName: globals.projectName }),
    profiles: [...new Set([...fromEnv.filter((name) => name !== ''), ...options.profile])],
    set: options.set,
    envFiles: options.envFile.map((file) => resolve(context.cwd, file)),
    named,
  };
}

export function applyRequest(
  common: Common,
  location: ProjectLocation,
  options: LoadOptions,
  named: readonly string[],
): ApplyRequest {
  const hostEnv = definedEnv(common.context.env);
  return { load: loadRequest(common, location, options, named), hostEnv, services: named };
}

export function definedEnv(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const defined: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined) defined[name] = value;
  }
  return defined;
}

/**
 * What is kept of services' own output: on a terminal their colours but nothing that moves the cursor; elsewhere every
 * byte, as they wrote it; and only the text where colours were refused.
 */
export function keptOutput({ context, globals }: Common): 'all' | 'colours' | 'text' {
  if (globals.color === 'never' || (globals.color === 'auto' && (context.env['NO_COLOR'] ?? '') !== ''))
    return 'text';
  if (context.isTTY) return context.color ? 'colours' : 'text';
  return 'all';
}
