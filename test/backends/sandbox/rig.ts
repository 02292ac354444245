import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createNativeBackend } from '../../../src/backends/native/native-backend.ts';
import { createEncloser } from '../../../src/backends/sandbox/enclosure.ts';
import type { ConcreteLaunch } from '../../../src/core/launch.ts';
import type { SandboxSpec } from '../../../src/core/service.ts';
import type { Backend, Proc } from '../../../src/ports/backend.ts';
import { readFile, Rig } from '../native/rig.ts';

/** A native backend whose launchers stand behind bubblewrap where the launch asks for it. */
export function enclosingBackend(
  hidden: readonly string[] = [],
  env: Readonly<Record<string, string | undefined>> = process.env,
): Backend {
  return createNativeBackend({ env: process.env, encloser: createEncloser({ env, hidden }) });
}

export const SANDBOX: SandboxSpec = { network: true, read: [], write: [], profile: 'default' };
export const STRICT: SandboxSpec = { ...SANDBOX, profile: 'strict' };

export class SandboxRig extends Rig {
  override readonly backend = enclosingBackend();

  /** A folder of the test's, made here. */
  folder(name: string): string {
    const path = join(this.dir, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Runs a script of /bin/sh; resolves with the run. */
  enclosed(script: string, launch: Partial<ConcreteLaunch>): Promise<Proc> {
    return this.sh(script, launch);
  }

  /** Runs it to its end; resolves with what it printed. */
  async output(script: string, launch: Partial<ConcreteLaunch>): Promise<string> {
    await (
      await this.enclosed(script, launch)
    ).exited;
    return this.stdout();
  }

  refused(launch: Partial<ConcreteLaunch>): Promise<unknown> {
    return this.failure(['/bin/sh', '-c', 'echo it ran'], launch);
  }
}

/** The parent outside of what encloses a process: the outermost bwrap above it; 0 where there is none. */
export function bwrapAbove(pid: number): number {
  let found = 0;
  for (let at = pid; at > 1;) {
    const stat = readFile(`/proc/${at}/stat`);
    if (stat === undefined) return found;
    if (stat.includes('(bwrap)')) found = at;
    at = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  }
  return found;
}
