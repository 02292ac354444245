import { rounds } from './faults.ts';

/** Random numbers of one round, kept so that a failure tells which moment it came from. */
export class Chance {
  readonly drawn: string[] = [];

  /** A whole number from 0 to `most`, both included. */
  upTo(most: number, what: string): number {
    const value = Math.floor(Math.random() * (most + 1));
    this.drawn.push(`${what} ${value}`);
    return value;
  }

  /** Lets at most `mostMs` pass: the moment of a fault, which nothing that happens before it may decide. */
  async pause(mostMs: number, what: string): Promise<void> {
    const ms = this.upTo(mostMs, `${what} after ms`);
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
}

/** Runs a fault `rounds(base)` times; a failure names its round and what was drawn in it. */
export async function eachRound(
  base: number,
  run: (chance: Chance, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 1; round <= rounds(base); round += 1) {
    const chance = new Chance();
    try {
      await run(chance, round);
    } catch (error) {
      const said = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new Error(`round ${round} (${chance.drawn.join(', ')}): ${said}`);
    }
  }
}

/** How long a test may take that repeats its fault: more where it is repeated more often. */
export function patienceMs(baseMs = 30_000): number {
  return baseMs * rounds(1);
}
