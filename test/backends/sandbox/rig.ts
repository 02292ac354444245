import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createNativeBackend } from '../../../src/backends/native/native-backend.ts';
import { createEncloser, type Enclosure } from '../../../src/backends/sandbox/enclosure.ts';
import type { Mount, SandboxSpec } from '../../../src/backends/sandbox/contract.ts';
import type { LaunchPlace, OwnPlaces } from '../../../src/backends/sandbox/place.ts';
import type { StartFailure } from '../../../src/core/exit.ts';
import type { Result } from '../../../src/core/result.ts';
import type { ConcreteLaunch } from '../../../src/core/launch.ts';
import type { Proc } from '../../../src/ports/backend.ts';
import { Rig } from '../native/rig.ts';

export interface EnclosedLaunch extends Partial<ConcreteLaunch> {
  readonly mounts?: readonly Mount[];
  readonly sandbox?: SandboxSpec;
}

/** A native backend whose launchers stand behind bubblewrap where the launch asks for it. */
export function enclosingBackend(
  hidden: readonly string[] = [],
  env: Readonly<Record<string, string | undefined>> = process.env,
): ReturnType<typeof createNativeBackend> {
  const encloser = createEncloser({ env, hidden });
  const enclose = (launch: ConcreteLaunch & Partial<LaunchPlace>, own: OwnPlaces) =>
    encloser.enclose(launch, own) as Promise<Result<Enclosure | undefined, StartFailure>>;
  return createNativeBackend(Object.assign({ env: process.env }, { enclose }));
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
  enclosed(script: string, launch: EnclosedLaunch): Promise<Proc> {
    return this.sh(script, launch);
  }

  /** Runs it to its end; resolves with what it printed. */
  async output(script: string, launch: EnclosedLaunch): Promise<string> {
    await (
      await this.enclosed(script, launch)
    ).exited;
    return this.stdout();
  }

  refused(launch: EnclosedLaunch): Promise<unknown> {
    return this.failure(['/bin/sh', '-c', 'echo it ran'], launch);
  }
}

/** Whether the native backend asks for an enclosure; until it does, its runs cannot be put into one. */
export async function asksForEnclosure(): Promise<boolean> {
  const rig = new Rig();
  const refusing = {
    env: process.env,
    enclose: () => Promise.resolve({ ok: false, error: { code: 'other', message: 'no' } } as const),
  };
  const started = await createNativeBackend(refusing).start(rig.request(['/bin/true']));
  if (started.ok) await started.value.proc.gone;
  await rig.close();
  return !started.ok;
}
