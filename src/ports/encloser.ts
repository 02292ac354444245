import type { StartFailure } from '../core/exit.ts';
import type { ConcreteLaunch } from '../core/launch.ts';
import type { Result } from '../core/util/result.ts';

/** What a run itself takes of the machine besides its launch. */
export interface RunPaths {
  /** Absolute; seen, not written: the instance's folder, files with its secrets. */
  readonly read: readonly string[];
  /** Absolute; files that the launcher writes, such as those of its control groups. */
  readonly write: readonly string[];
}

/** What puts a launcher where its launch sees what it is to see. */
export interface Enclosure {
  /** Comes before the launcher's program: the absolute path of a program, and its arguments. */
  readonly prefix: readonly string[];
  /**
   * `child`: that program stays outside as the launcher's parent, and hands on descriptors from 3 upwards. `same`: it
   * becomes the launcher.
   */
  readonly launcher: 'child' | 'same';
  /** Whether the launcher begins a pid namespace, so that the pids it sees are not the machine's. */
  readonly ownPids: boolean;
}

/** A launch with mounts or a sandbox that can be had here. */
export interface PreparedEnclosure {
  /** What on the machine is seen within under this absolute path; undefined where that is nothing, or not on disk. */
  readonly hostPath: (path: string) => string | undefined;
  enclose(own: RunPaths): Result<Enclosure, StartFailure>;
}

/** Makes mounts and sandboxes of processes of the machine. */
export interface Encloser {
  /**
   * Whether what the launch asks for can be had, and what it comes to. Undefined where it asks for no mounts and no
   * sandbox. Never rejects.
   */
  prepare(
    launch: ConcreteLaunch,
    own: RunPaths,
  ): Promise<Result<PreparedEnclosure | undefined, StartFailure>>;
}
