import { closing, locate, reach, type Common } from './common.ts';
import { Display } from './display.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { isGone } from './monitor.ts';
import type { ProjectLocation } from '../store/locate.ts';
import { bringDown, downToTheEnd, reportDown } from './bring-down.ts';

export interface DownOptions {
  readonly timeout?: number;
  readonly reason?: string;
  readonly plain: boolean;
  /** Also remove what containers keep. */
  readonly volumes?: boolean;
}

/** How often it is tried with another daemon where the one before went away. */
const ATTEMPTS = 3;

/** Stops everything of the project, in order, and its daemon. */
export async function down(common: Common, options: DownOptions): Promise<ExitStatus> {
  const located = await locate(common, false);
  if (!located.ok) return located.error;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await downOnce(common, located.value, options);
    } catch (error) {
      // One that goes on with an earlier shutdown may be through with it, and gone, before it has heard of this one.
      if (!isGone(error) || attempt === ATTEMPTS) throw error;
    }
  }
}

async function downOnce(
  common: Common,
  location: ProjectLocation,
  options: DownOptions,
): Promise<ExitStatus> {
  const { context } = common;
  // A daemon that crashed left its services running: one is started to take them over and stop them.
  const client = await reach(common, location);
  if (client === undefined) {
    if (await common.services.mayHaveLeft(location, options.volumes === true)) {
      return removeOnly(common, location, options);
    }
    if (common.services.hasSocket(location)) await sweep(common, location);
    context.stdout.write(`${location.name} is not running\n`);
    return EXIT.ok;
  }
  return closing(client, async () => {
    const { name } = await client.snapshot();
    const display = new Display(context, options.plain ? 'plain' : 'live');
    const response = await bringDown(context, client, display, {
      reason: options.reason ?? 'setpoint down',
      ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }),
      ...(options.volumes === true ? { volumes: true } : {}),
      again: false,
    });
    const status = reportDown(context, { name }, response);
    if (status === EXIT.ok) {
      context.stdout.write(`${name} is down, and nothing of it is left\n`);
    }
    return status;
  });
}

/** Of a project that is down: what an engine may have of it still. */
async function removeOnly(
  { context, services }: Common,
  location: ProjectLocation,
  { volumes }: DownOptions,
): Promise<ExitStatus> {
  const { client } = await services.ensureDaemon(location);
  return closing(client, async () => {
    const request = { reason: 'setpoint down', level: 0 as const, ...(volumes === true ? { volumes } : {}) };
    const status = reportDown(context, { name: location.name }, await downToTheEnd(client, request));
    if (status === EXIT.ok)
      context.stdout.write(`${location.name} was not running, and nothing of it is left\n`);
    return status;
  });
}

/** Only the holder of the project's lock may remove a socket that was left behind: a daemon does, as it ends. */
async function sweep({ services }: Common, location: ProjectLocation): Promise<void> {
  const { client } = await services.ensureDaemon(location);
  await closing(client, () => downToTheEnd(client, { reason: 'nothing was running', level: 0 }));
}
