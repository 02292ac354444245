import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { connectToLiving } from '../client/client.ts';
import { findByName, locateProject, recordedName } from '../store/locate.ts';
import type { Result } from '../core/util/result.ts';
import { xdgFolder } from '../core/util/xdg.ts';
import { daemonArguments } from './daemon-entry.ts';
import type { LocateFailure, ProjectLocation } from '../store/locate.ts';
import type { ProjectChoice, CliServices } from './services.ts';

export interface RealOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute path of the script that this process runs: a daemon is started from the same one. */
  readonly entry: string;
}

/** The services of the installed program. What only some commands need is imported when it is asked for. */
export function realServices({ env, entry }: RealOptions): CliServices {
  return {
    locate: (request) => Promise.resolve(locateBoth(request, env)),
    connect: (location) => connectToLiving(location.socketPath),
    async ensureDaemon(location) {
      const { ensureDaemon } = await import('../client/ensure-daemon.ts');
      return ensureDaemon(location, { entry, args: daemonArguments(location), env });
    },
    async foreground(location) {
      const { startForeground } = await import('./daemon-process.ts');
      return startForeground(location, env);
    },
    hasSocket: (location) => existsSync(location.socketPath),
    async recordedPhase(location) {
      if (!hasRecord(location)) return undefined;
      const { recordedPhase } = await import('./offline.ts');
      return recordedPhase(location.stateDir);
    },
    async mayHaveLeft(location, volumes) {
      if (!hasRecord(location)) return false;
      const { mayHaveLeft } = await import('./offline.ts');
      return mayHaveLeft(location.stateDir, volumes);
    },
    async loadManifest(request) {
      const { loadLocally } = await import('./load-locally.ts');
      return loadLocally(request, env);
    },
    async journal(location, limit, service) {
      const { readJournal } = await import('../store/journal.ts');
      return readJournal(location.stateDir, limit, service);
    },
    async *offlineLogs(location, query) {
      const { offlineLogs } = await import('./offline.ts');
      yield* offlineLogs(location.stateDir, query);
    },
    async reap(request) {
      const { reapLocally } = await import('./reap-locally.ts');
      return reapLocally(request, env);
    },
    async tui(options) {
      const { runTui } = await import('../tui/tui.ts');
      const { stdin, stdout } = process;
      const settingsPath = join(xdgFolder('CONFIG', env, env['HOME']) ?? '/.config', 'setpoint', 'tui.json');
      return runTui({ ...options, stdin, stdout, env, settingsPath });
    },
    async doctorFacts() {
      const { gatherFacts } = await import('./doctor-facts.ts');
      return gatherFacts(env);
    },
  };
}

/**
 * By the manifest where one is named or found; a project name alone also finds a project that was started elsewhere.
 * Where `manifestFirst` is not set, a known project of that name goes before a manifest that never ran under it.
 */
function locateBoth(request: ProjectChoice, env: RealOptions['env']): Result<ProjectLocation, LocateFailure> {
  const { projectName, files } = request;
  const byManifest = locateProject({ ...request, env });
  if (projectName === undefined || files.length > 0) return named(byManifest);
  if (byManifest.ok && (request.manifestFirst || hasRecord(byManifest.value))) return named(byManifest);
  const byName = findByName(projectName, env);
  return byName.ok || !byManifest.ok ? byName : byManifest;
}

/** A project that has run before goes by the name that its manifest gave it then. */
function named(located: Result<ProjectLocation, LocateFailure>): Result<ProjectLocation, LocateFailure> {
  if (!located.ok || !hasRecord(located.value)) return located;
  const name = recordedName(located.value.stateDir);
  return name === undefined ? located : { ok: true, value: { ...located.value, name } };
}

function hasRecord(location: ProjectLocation): boolean {
  return existsSync(join(location.stateDir, 'project.json'));
}
