/** Where one project's daemon keeps its things and answers. */
export interface DaemonPaths {
  readonly name: string;
  /** Absolute paths of the manifests. */
  readonly files: readonly string[];
  readonly manifest: string;
  readonly stateDir: string;
  readonly socketPath: string;
  readonly lockPath: string;
}

export interface DaemonStartFailure {
  /** `locked`: another daemon of this project runs. */
  readonly code: string;
  readonly message: string;
  readonly help?: string;
}
