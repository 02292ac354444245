export type ProgressIcon = 'ok' | 'bad' | 'busy' | 'idle';

/** What one instance's line of a progress display says. */
export interface ProgressRow {
  readonly icon: ProgressIcon;
  readonly name: string;
  /** What it does: "running", "waiting for db". */
  readonly text: string;
  /** How long it took, once settled. */
  readonly time?: string;
  /** What else there is to say: ports, the cause of a failure. */
  readonly note?: string;
}
