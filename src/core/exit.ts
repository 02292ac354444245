/** How a run ended. `unknown` is said where nobody saw the end; an end is never invented. */
export type Exit =
  | { readonly kind: 'code'; readonly code: number }
  /** `signal` is a name such as `SIGTERM`. */
  | { readonly kind: 'signal'; readonly signal: string }
  | { readonly kind: 'spawn-error'; readonly failure: StartFailure }
  /** The longest allowed run time passed and the run was stopped for it. */
  | { readonly kind: 'timeout'; readonly afterMs: number }
  /** Killed by the kernel for lack of memory; `evidence` says what tells so. */
  | { readonly kind: 'oom'; readonly evidence: string }
  /** Its `live` probe failed and the run was stopped for it. */
  | { readonly kind: 'unhealthy'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly why: string };

/** Why a run could not begin, told apart so that each gets its own message and retry rule. */
export interface StartFailure {
  readonly code:
    | 'missing-program'
    | 'missing-cwd'
    | 'not-executable'
    | 'missing-requirement'
    | 'arguments-too-long'
    | 'port-taken'
    | 'socket-blocked'
    | 'user-unavailable'
    | 'limit-refused'
    | 'hook-failed'
    /** EMFILE, EAGAIN, ENOMEM: the machine's shortage, not the service's fault. Always retried. */
    | 'resource-shortage'
    | 'state-unwritable'
    | 'image-missing'
    | 'pull-failed'
    | 'build-failed'
    /** The engine does not answer: always retried. */
    | 'engine-unavailable'
    | 'mount-missing'
    | 'name-conflict'
    | 'nix-failed'
    | 'sandbox-unavailable'
    | 'secret-missing'
    | 'other';
  /** One sentence; secrets masked. */
  readonly message: string;
  /** What to do about it. */
  readonly help?: string;
}

/** "exit 3", "killed by SIGKILL", ...: the words used for an end everywhere. */
export function describeExit(exit: Exit): string {
  switch (exit.kind) {
    case 'code':
      return `exit ${exit.code}`;
    case 'signal':
      return `killed by ${exit.signal}`;
    case 'spawn-error':
      return `could not start: ${exit.failure.message}`;
    case 'timeout':
      return `stopped after its timeout of ${exit.afterMs} ms`;
    case 'oom':
      return `killed for lack of memory (${exit.evidence})`;
    case 'unhealthy':
      return `stopped as unhealthy (${exit.reason})`;
    case 'unknown':
      return `ended, status unknown (${exit.why})`;
  }
}
