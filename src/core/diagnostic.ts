/** A place in a file, as people count: lines and columns start at 1; `endColumn` is exclusive. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endColumn?: number;
  /** The text of that line, with secrets masked; absent where there is no text to show (a directory, a binary). */
  readonly source?: string;
}

/** One place a diagnostic points at. The first label is the one the message is about. */
export interface Label {
  readonly place: Place;
  /** Said at the caret, such as "did you mean `command`?" or "api depends on cache here". */
  readonly note?: string;
}

/**
 * A problem of what a person wrote: where it is and what was expected. Errors keep a manifest from being applied;
 * warnings do not.
 */
export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  /** A stable kebab-case name, such as `unknown-key`. */
  readonly code: string;
  /** One sentence without a final period. Never holds the value of a secret. */
  readonly message: string;
  readonly labels: readonly Label[];
  /** What to do about it, where that is not obvious. */
  readonly help?: string;
}
