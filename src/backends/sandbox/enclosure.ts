import { readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { err, ok, type Result } from '../../core/result.ts';
import { bwrapArgs, needsBwrap } from './bwrap-args.ts';
import { type BwrapFacts, bwrapFacts } from './bwrap-facts.ts';
import type { StartFailure } from './contract.ts';
import type { LaunchPlace, MachineFacts, OwnPlaces, PathFact, RootEntry } from './place.ts';

/** What stands before the program of a launcher, and what comes of it. */
export interface Enclosure {
  /** Absolute path of bwrap(1), and its options; more options may follow, then `--` and the launcher's program. */
  readonly program: string;
  readonly options: readonly string[];
  /** Whether the pids that the launcher sees are its own and not the machine's. */
  readonly ownPids: boolean;
}

export interface Encloser {
  /** Undefined where the launch asks for no mounts and no sandbox. Never rejects. */
  enclose(launch: LaunchPlace, own: OwnPlaces): Promise<Result<Enclosure | undefined, StartFailure>>;
  /** What bwrap can do here; remembered as long as it is usable. */
  facts(): Promise<BwrapFacts>;
}

interface EncloserOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute folders that no sandboxed service sees, such as the one of the daemon's own socket. */
  readonly hidden: readonly string[];
}

/** Encloses launchers by bubblewrap, and refuses the start where it cannot. */
export function createEncloser({ env, hidden }: EncloserOptions): Encloser {
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
    facts,
    async enclose(launch, own) {
      if (!needsBwrap(launch)) return ok(undefined);
      const bwrap = await facts();
      if (bwrap.kind !== 'usable') return err(unavailable(launch, bwrap));
      const args = bwrapArgs(launch, own, machineFacts(hidden, bwrap.options));
      if (!args.ok) return args;
      return ok({
        program: bwrap.path,
        options: args.value,
        ownPids: launch.sandbox !== undefined,
      });
    },
  };
}

function unavailable(
  { sandbox }: LaunchPlace,
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
