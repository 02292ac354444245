import type { DaemonClient, Lease } from '../client/types.ts';
import type { ApplyRequest, DownResponse, ProjectSnapshot } from '../core/api.ts';
import { App } from './app.ts';

export interface TuiOptions {
  /** The daemon to begin with. Stays the caller's to close. */
  readonly client: DaemonClient;
  /** Given where leaving by `q` brings the project down. */
  readonly lease?: Lease;
  /** After the daemon went away: the one that runs now, or is started for it; undefined where the project is down. */
  readonly reconnect: () => Promise<DaemonClient | undefined>;
  /** What plans and applies are asked for with. */
  readonly request: ApplyRequest;
  /** Absolute path of the manifest that is edited. */
  readonly manifest: string;
  /** A terminal. */
  readonly stdin: NodeJS.ReadStream;
  /** A terminal. */
  readonly stdout: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Absolute path of the settings file, which need not exist. */
  readonly settingsPath: string;
  /** What is said first, on the last row. */
  readonly opening?: string;
}

/** How it ended; the terminal is as it was before. `last` is what was last seen of the project. */
export type TuiEnd =
  /** The project runs on; a lease that was given has been given up. */
  | { readonly kind: 'detached'; readonly last: ProjectSnapshot | undefined }
  /**
   * The project was brought down from here. `before`: as it was before that began; `tookMs`: from when it was asked for.
   */
  | {
      readonly kind: 'quit';
      readonly response: DownResponse;
      readonly before?: ProjectSnapshot;
      readonly tookMs?: number;
      readonly last: ProjectSnapshot | undefined;
    }
  /** The project was brought down by someone else. */
  | { readonly kind: 'daemon-ended'; readonly last: ProjectSnapshot | undefined }
  /** A lease that was given is still held: the end of this process is the end of the project. */
  | {
      readonly kind: 'signal';
      readonly signal: 'SIGTERM' | 'SIGHUP';
      readonly last: ProjectSnapshot | undefined;
    };

/** Shows a project on the whole terminal until it is left. Rejects only where the program itself is at fault. */
export function runTui(options: TuiOptions): Promise<TuiEnd> {
  return new App(options).run();
}
