/** Time and chance as parameters, so that everything that depends on them is tested without waiting. */
export interface Clock {
  /** Monotonic ms from an arbitrary start: for every decision. */
  now(): number;
  /** Epoch ms: for people and records only. */
  wall(): number;
  /** Calls `fire` once, `delayMs` from now at the earliest. The answer cancels it; cancelling twice is harmless. */
  after(delayMs: number, fire: () => void): () => void;
}

/** Uniform in [0, 1). */
export type Random = () => number;
