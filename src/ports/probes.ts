import type { CommandRunner } from './commands.ts';

/** What a probe is told to look at, late references filled in. */
export type ConcreteCheck =
  | {
      readonly kind: 'exec';
      readonly argv: readonly string[];
      readonly cwd: string;
      readonly env: Readonly<Record<string, string>>;
      /** Runs the command where the service is, if that is not on the machine; `cwd` is of no interest then. */
      readonly within?: CommandRunner;
    }
  | {
      readonly kind: 'http';
      readonly url: string;
      readonly method: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly status: readonly { readonly from: number; readonly to: number }[];
    }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export interface ProbeResult {
  readonly ok: boolean;
  /** How a command ended where that has to be said beside its output: "exit 1". */
  readonly end?: string;
  /** What there was to see, at most 4 KiB; of a command its last lines. Not yet masked. */
  readonly output: string;
}

/** Looks once. Never rejects; a look that takes longer than `timeoutMs`, or is aborted, has failed and has left nothing. */
export interface Prober {
  look(check: ConcreteCheck, timeoutMs: number, signal: AbortSignal): Promise<ProbeResult>;
}
