/** Something looked at on this machine, and how it bears on running services. */
export interface MachineFact {
  readonly name: string;
  /** `missing` is essential, `weak` costs a capability. */
  readonly state: 'good' | 'weak' | 'missing';
  /** What was found. */
  readonly found: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** What the machine is like, besides its environment. */
export interface MachineView {
  readonly platform: string;
  readonly readText: (path: string) => string | undefined;
}
