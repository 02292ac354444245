import { readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import type { StartFailure } from '../../core/exit.ts';
import { err, ok } from '../../core/util/result.ts';
import type { Encloser } from '../../ports/encloser.ts';
import { bwrapArgs, needsBwrap } from './bwrap-args.ts';
import { type BwrapFacts, bwrapFacts } from './bwrap-facts.ts';
import { createExecEncloser } from './exec-enclosure.ts';
import type { SandboxedLaunch, MachineFacts, PathFact, RootEntry } from './filesystem.ts';

interface EncloserOptions {
  /** Where bwrap is looked for is its PATH. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute folders that no sandboxed service sees, such as those of the daemon's own socket and state. */
  readonly hidden: readonly string[];
  readonly platform?: string;
}

/** Encloses launchers as this system can: by bubblewrap, or by sandbox-exec on macOS. Refuses what it cannot do. */
export function createEncloser({ env, hidden, platform = process.platform }: EncloserOptions): Encloser {
  return platform === 'darwin' ? createExecEncloser({ hidden }) : createBwrapEncloser(env, hidden);
}

function createBwrapEncloser(env: EncloserOptions['env'], hidden: readonly string[]): Encloser {
  let usable: BwrapFacts | undefined;
  let asking: Promise<BwrapFacts> | undefined;
  const facts = async (): Promise<BwrapFacts> => {
    if (usable !== undefined) return usable;
    // Services that start at once ask once.
    asking ??= bwrapFacts({ env });
    const found = await asking;
    asking = undefined;
    if (found.kind === 'usable') usable = found;
    return found;
  };
  return {
    async prepare(launch, own) {
      if (!needsBwrap(launch)) return ok(undefined);
      const bwrap = await facts();
      if (bwrap.kind !== 'usable') return err(unavailable(launch, bwrap));
      const machine = machineFacts(hidden, bwrap.options);
      const trial = bwrapArgs(launch, own, machine);
      if (!trial.ok) return trial;
      return ok({
        hostPath: trial.value.layout.hostPath,
        enclose(places) {
          const made = bwrapArgs(launch, places, machine);
          if (!made.ok) return made;
          return ok({
            prefix: [bwrap.path, ...made.value.args, '--'],
            launcher: 'child',
            ownPids: launch.sandbox !== undefined,
          });
        },
      });
    },
  };
}

function unavailable(
  { sandbox }: SandboxedLaunch,
  { reason, help }: Exclude<BwrapFacts, { kind: 'usable' }>,
): StartFailure {
  const what = sandbox === undefined ? 'the mounts' : 'the sandbox';
  return { code: 'sandbox-unavailable', message: `${what} cannot be had: ${reason}`, help };
}

function machineFacts(hidden: readonly string[], options: ReadonlySet<string>): MachineFacts {
  return { look, rootEntries, hidden, options, root: process.geteuid?.() === 0 };
}

function look(path: string): PathFact | undefined {
  try {
    const real = realpathSync(path);
    return { real, kind: statSync(real).isDirectory() ? 'directory' : 'other' };
  } catch {
    return undefined;
  }
}

function rootEntries(): readonly RootEntry[] {
  return readdirSync('/', { withFileTypes: true }).map((entry) =>
    entry.isSymbolicLink()
      ? { name: entry.name, link: readlinkSync(`/${entry.name}`) }
      : { name: entry.name },
  );
}
